% A seeded loop, matrices and strings.
rand("seed", 42);
x = 12345;
s = 0;
for i = 1:400000
  x = mod(x * 16807, 2147483647);
  if (mod(i, 40000) == 0)
    a = reshape(mod((1:10000) * x, 1009), 100, 100);
    s = s + trace(a * a');
    printf("%d %d %.17g\n", i, x, s);
    fflush(stdout);
  end
end
