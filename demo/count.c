// Counts, a number every 0.2 seconds. It knows nothing of checkpoints.
#include <stdio.h>
#include <unistd.h>

static void count(int from) {
	for (int n = from;; n++) {
		printf("%d\n", n);
		fflush(stdout);
		usleep(200000);
	}
}

int main(void) {
	count(1);
}
