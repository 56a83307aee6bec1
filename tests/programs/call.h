// For probes that are saved inside a blocking system call.
#ifndef CALL_H
#define CALL_H
#include "probe.h"

static double call_start;

// blocks_in announces the call the probe is about to block in. It will be saved
// when it has been there for ms milliseconds; wake is "" or as in probe.h.
UNUSED static void blocks_in(long number, int ms, const char *wake) {
  probe_say("ready in=%ld ms=%d %s", number, ms, wake);
  call_start = now();
}

// CHECK_TOOK checks that a call with a timeout, both in seconds, took neither
// less than it asked for nor, the time not lived taken off, more than most.
#define CHECK_TOOK(least, most)                                            \
  do {                                                                     \
    double took = now() - call_start, lived = took - downtime();           \
    CHECK(took >= (least)-0.002, "%.3f s, asked for %.3f", took,           \
          (double)(least));                                                \
    CHECK(lived <= (most), "lived %.3f s of %.3f in it, at most %.3f", lived, \
          took, (double)(most));                                           \
  } while (0)
#endif
