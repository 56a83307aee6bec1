// Exceptions, threads and a backtrace in a process with one object more.
#include <csignal>
#include <cstdio>
#include <execinfo.h>
#include <stdexcept>
#include <thread>

static void deep(int n)
{
	if (n == 0)
		throw std::runtime_error("thrown");
	deep(n - 1);
}

int main()
{
	int caught = 0;
	auto work = [&caught] {
		for (int i = 0; i < 100; i++)
			try {
				deep(i % 10);
			} catch (const std::exception &) {
				caught++;
				if (i % 50 == 0)
					raise(SIGUSR2);
			}
	};
	work();
	std::thread(work).join();
	void *frames[32];
	if (backtrace(frames, 32) < 2 || caught != 200)
		return 1;
	std::puts("ok");
}
