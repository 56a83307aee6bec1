default(realprecision, 120);
{
for (i = 1, 20,
  p = nextprime(10^(40 + i));
  a = Mod(7, p)^(10^20 + i);
  b = floor(Pi * 10^(30 + i));
  f = factor(b % 10^(44 + i \ 4));
  print(i, " ", lift(a), " ", f[1, 1], " ", #f~, " ", sum(n = 1, 200000, n^2 % (i + 7))));
}
quit
