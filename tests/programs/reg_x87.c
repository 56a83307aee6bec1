// The x87 stack: eight 80-bit values, the control word and the top of stack.
#include "spin.h"

int main(void) {
  long double in[8], out[8];
  unsigned short control = 0x0f7f, control_after, status;  // round to zero
  memset(out, 0, sizeof out);
  memset(in, 0, sizeof in);
  for (int i = 0; i < 8; i++) in[i] = 3.14159265358979323846L * (i + 1) / 7;
  ready_to_spin();
  __asm__ volatile(
      "fninit\n fldcw %[control]\n"
      "fldt 0(%[in])\n fldt 16(%[in])\n fldt 32(%[in])\n fldt 48(%[in])\n"
      "fldt 64(%[in])\n fldt 80(%[in])\n fldt 96(%[in])\n fldt 112(%[in])\n"
      SPIN
      "fnstsw %[status]\n fnstcw %[after]\n"
      "fstpt 112(%[out])\n fstpt 96(%[out])\n fstpt 80(%[out])\n"
      "fstpt 64(%[out])\n fstpt 48(%[out])\n fstpt 32(%[out])\n"
      "fstpt 16(%[out])\n fstpt 0(%[out])\n fninit\n"
      : [after] "=m"(control_after), [status] "=m"(status)
      : [in] "r"(in), [out] "r"(out), [control] "m"(control)
      : "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
        "st(6)", "st(7)");
  for (int i = 0; i < 8; i++)
    CHECK(memcmp(&in[i], &out[i], 10) == 0, "st(%d): %Lg, was %Lg", 7 - i,
          out[i], in[i]);
  CHECK(control_after == control, "control word %x", control_after);
  CHECK((status & 0x3800) == 0, "top of stack: status %x", status);
  return done();
}
