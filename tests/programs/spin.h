// For probes that hold state in registers: user code that spins until the
// harness pokes a 1 into probe_flag, naming no register.
#ifndef SPIN_H
#define SPIN_H
#include "probe.h"

unsigned char probe_flag;

#define SPIN "1: pause\n cmpb $0, probe_flag(%%rip)\n je 1b\n"

UNUSED static void ready_to_spin(void) {
  probe_say("ready wake=poke:%p", (void *)&probe_flag);
}
#endif
