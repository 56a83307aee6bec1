# Singular values of seeded random matrices, all digits of them.
set.seed(42)
for (i in 1:12) {
  m <- matrix(rnorm(250 * 250), 250)
  cat(i, sprintf("%.17g", sum(svd(m %*% t(m))$d)), "\n")
  flush(stdout())
}
