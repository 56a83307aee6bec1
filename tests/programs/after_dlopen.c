// dlopen after the restore, and a library that was opened before.
// run: ldflags=-ldl
#include <dlfcn.h>

#include "probe.h"

int main(void) {
  void *early = dlopen("libm.so.6", RTLD_NOW);
  NEED(early);
  double (*cosine)(double) = (double (*)(double))dlsym(early, "cos");
  NEED(cosine && cosine(0) == 1);
  save_here();
  CHECK(cosine(0) == 1, "a function found before");
  void *late = dlopen("libmvec.so.1", RTLD_NOW);
  CHECK(late, "%s", dlerror());
  CHECK(late && dlsym(late, "_ZGVbN2v_cos"), "%s", dlerror());
  CHECK(dlsym(early, "sin"), "%s", dlerror());
  CHECK(late && dlclose(late) == 0, "dlclose");
  return done();
}
