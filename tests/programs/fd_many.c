// A thousand descriptors of all kinds at once.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "probe.h"

int main(void) {
  struct rlimit r;
  char name[32];
  NEED(getrlimit(RLIMIT_NOFILE, &r) == 0);
  if (r.rlim_max < 1100) SKIP("fewer than 1100 descriptors");
  r.rlim_cur = 1100;
  NEED(setrlimit(RLIMIT_NOFILE, &r) == 0);
  int first[200], p[200][2], set = epoll_create1(0);
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "file%d", i);
    NEED((first[i] = open(name, O_RDWR | O_CREAT, 0644)) >= 0 &&
        lseek(first[i], i, SEEK_SET) == i);
    NEED(pipe(p[i]) == 0 && write(p[i][1], &i, sizeof i) == sizeof i &&
        eventfd((unsigned)i, 0) >= 0);
    NEED(epoll_ctl(set, EPOLL_CTL_ADD, p[i][0], &(struct epoll_event){EPOLLIN,
        {.u32 = (unsigned)i}}) == 0);
  }
  save_here();
  int bad = 0, value;
  for (int i = 0; i < 200; i++) {
    bad += lseek(first[i], 0, SEEK_CUR) != i;
    bad += read(p[i][0], &value, sizeof value) != sizeof value || value != i;
  }
  CHECK(bad == 0, "%d differences", bad);
  return done();
}
