// Areas at odd addresses, also where a restarter might sit: low, between
// everything, right below the stack, next to the vDSO, at the very top.
// run: nopie static
#include <sys/auxv.h>

#include "maps.h"

static unsigned long at[64];
static int count;

static void claim(unsigned long address) {
  void *p = mmap((void *)address, PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p == MAP_FAILED) return;  // taken, or below mmap_min_addr
  at[count] = address;
  fill(p, PAGE, (unsigned)++count);
}

int main(void) {
  unsigned long vdso = getauxval(AT_SYSINFO_EHDR) & ~0xfffUL, top = 0x7ffffffff000;
  unsigned long stack = 0, stack_end, vvar = 0, vvar_end;
  char *maps = slurp("/proc/self/maps");
  for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n")) {
    if (strstr(line, "[stack]")) sscanf(line, "%lx-%lx", &stack, &stack_end);
    if (strstr(line, "[vvar]")) sscanf(line, "%lx-%lx", &vvar, &vvar_end);
  }
  static const unsigned long odd[] = {
      0x10000,        0x20000,        0x100000,       0x200000,
      0x3ff000,       0x400000,       0x800000,       0x10000000,
      0x7ffff000,     0x80000000,     0xfffff000,     0x100000000,
      0x10000000000,  0x100000000000, 0x100000001000, 0x1000001ff000,
      0x200000000000, 0x400000000000, 0x600000000000, 0x700000000000,
      0x7e0000000000, 0x7effffff0000, 0x7fff00000000, 0x7fffffffd000,
  };
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) claim(odd[i]);
  claim(top - PAGE);
  claim(vdso - PAGE);
  claim(vdso + 2 * PAGE);
  claim(vvar - PAGE);
  claim(stack - PAGE);
  claim(stack - (9UL << 20));
  NEED(count > 20);
  save_here();
  for (int i = 0; i < count; i++)
    CHECK(filled((void *)at[i], PAGE, (unsigned)i + 1), "at %lx", at[i]);
  return done();
}
