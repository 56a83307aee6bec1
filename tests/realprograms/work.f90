! Multiplies matrices again and again: the last digit of every sum is as before.
program work
  implicit none
  integer, parameter :: n = 96
  double precision :: a(n, n), b(n, n), c(n, n)
  integer :: i, j, k
  do j = 1, n
    do i = 1, n
      a(i, j) = sin(dble(i * j))
      b(i, j) = cos(dble(i - j)) / n
    end do
  end do
  do k = 1, 1600
    c = matmul(a, b)
    a = a + 1d-3 * c / (1d0 + maxval(abs(c)))
    if (mod(k, 20) == 0) then
      print '(i6, es26.16)', k, sum(a)
      flush (6)
    end if
  end do
end program
