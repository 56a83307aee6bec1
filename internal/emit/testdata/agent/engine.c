/* A stand-in for ckpt: it writes down how it was started, as JSON in
 * $CKPT_REPORT/PID, and then behaves as $CKPT_FAKE says: fail, killed,
 * killparent, wait (for $CKPT_REPORT/go), waitkill (and then end its parent), pair (wait for another engine), or
 * orphan (its parent may be gone already). */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* fds lists the open descriptors of a process, without the one it opens. */
static int fds(FILE *out, const char *pid, int me)
{
	char path[64];
	int n = 0;
	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	DIR *d = opendir(path);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.' || (me && (atoi(e->d_name) == dirfd(d) || atoi(e->d_name) == fileno(out))))
			continue;
		if (out)
			fprintf(out, "%s%s", n ? "," : "", e->d_name);
		n++;
	}
	closedir(d);
	return n;
}

/* field gives a value of /proc/PID/status. */
static unsigned long field(const char *pid, const char *name, int base)
{
	char path[64], line[256];
	unsigned long v = 0;
	snprintf(path, sizeof path, "/proc/%s/status", pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)))
			v = strtoul(line + strlen(name) + 1, NULL, base);
	if (f)
		fclose(f);
	return v;
}

static int reports(void)
{
	int n = 0;
	DIR *d = opendir(getenv("CKPT_REPORT"));
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
	if (d)
		closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	char path[4096], done[4096], middle[24], target[24];
	const char *fake = getenv("CKPT_FAKE");
	if (!getenv("CKPT_REPORT"))
		return 2;
	snprintf(done, sizeof done, "%s/%d", getenv("CKPT_REPORT"), getpid());
	snprintf(path, sizeof path, "%s/tmp%d", getenv("CKPT_REPORT"), getpid());
	snprintf(middle, sizeof middle, "%d", getppid());

	FILE *out = fopen(path, "w");
	fprintf(out, "{\"args\":[");
	for (int i = 0; i < argc; i++)
		fprintf(out, "%s\"%s\"", i ? "," : "", argv[i]);
	fprintf(out, "],\"env\":[");
	for (int i = 0; environ[i]; i++)
		fprintf(out, "%s\"%s\"", i ? "," : "", environ[i]);
	fprintf(out, "],\"fds\":[");
	fds(out, "self", 1);
	snprintf(target, sizeof target, "%lu", field(middle, "PPid:", 10));
	fprintf(out, "],\"middle\":%s,\"target\":%s", middle, target);
	fprintf(out, ",\"handler_blocked\":%lu", field(target, "SigBlk:", 16));
	fprintf(out, ",\"blocked\":%lu,\"ignored\":%lu", field("self", "SigBlk:", 16), field("self", "SigIgn:", 16));
	/* The middle child lets go of its descriptors while this runs. */
	int left = 1;
	for (int i = 0; i < 5000 && (!fake || strcmp(fake, "orphan")) && (left = fds(NULL, middle, 0)); i++)
		usleep(1000);
	fprintf(out, ",\"middle_fds\":%d}", left);
	fclose(out);
	rename(path, done);

	if (!fake)
		return 0;
	if (!strcmp(fake, "fail"))
		return 1;
	if (!strcmp(fake, "killed"))
		raise(SIGKILL);
	if (!strcmp(fake, "killparent"))
		kill(getppid(), SIGKILL);
	for (int i = 0; i < 20000; i++, usleep(1000)) {
		struct stat st;
		snprintf(path, sizeof path, "%s/go", getenv("CKPT_REPORT"));
		if (!strncmp(fake, "wait", 4) && stat(path, &st) == 0)
			return fake[4] ? kill(getppid(), SIGKILL) : 0;
		if (!strcmp(fake, "pair") && reports() >= 2)
			return 0;
		if (strncmp(fake, "wait", 4) && strcmp(fake, "pair"))
			return 0;
	}
	return 3;
}
