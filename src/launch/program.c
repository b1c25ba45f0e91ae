#include "program.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPT_DEPTH = 4, LINE_MAX_SCRIPT = 256 };

/* ---- where it is ---- */

static int is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISDIR(st.st_mode) || access(path, X_OK))
		return -EACCES;
	return 0;
}

/* One place of PATH: dir of n characters, none meaning the current directory. */
static int try_place(char path[PATH_MAX], const char *dir, size_t n, const char *name)
{
	int len = snprintf(path, PATH_MAX, "%.*s%s%s", (int)n, dir, n ? "/" : "", name);

	return len >= PATH_MAX ? -ENAMETOOLONG : is_program(path);
}

/* As execvp looks: the first that can be executed, -EACCES when only others were there. */
static int search(char path[PATH_MAX], const char *name)
{
	const char *dir = getenv("PATH"), *end;
	int err, result = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/'))
		return try_place(path, "", 0, name);
	for (dir = dir ? dir : "/bin:/usr/bin"; dir; dir = *end ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		err = try_place(path, dir, end - dir, name);
		if (!err)
			return 0;
		/* A directory that is closed to us holds nothing that was found. */
		if (err == -EACCES && !access(path, F_OK))
			result = err;
	}
	return result;
}

/* ---- what it is ---- */

static bool has_interpreter(Elf *elf)
{
	size_t n;
	GElf_Phdr phdr;

	if (elf_getphdrnum(elf, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, i, &phdr) && phdr.p_type == PT_INTERP)
			return true;
	return false;
}

static void look_at_elf(struct program *p, Elf *elf)
{
	GElf_Ehdr ehdr;

	if (!gelf_getehdr(elf, &ehdr))
		return; /* the kernel will say what is wrong with it */
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS64 || ehdr.e_machine != EM_X86_64) {
		p->obstacle = "it is not an x86-64 program";
		p->no_preload = true;
	} else if (!has_interpreter(elf)) {
		p->obstacle = "it is statically linked";
		p->no_preload = true;
	}
}

static void look_at_mode(struct program *p, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return;
	if ((st.st_mode & S_ISUID) && st.st_uid != geteuid())
		p->obstacle = "it is a setuid program";
	else if ((st.st_mode & S_ISGID) && st.st_gid != getegid())
		p->obstacle = "it is a setgid program";
	else if (geteuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		p->obstacle = "it is a program with file capabilities";
}

/* The interpreter of a script from its first line, empty when it is no script. */
static void read_interpreter(int fd, char *interpreter)
{
	char line[LINE_MAX_SCRIPT];
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
	char *p = line + 2;

	interpreter[0] = 0;
	if (n < 2 || strncmp(line, "#!", 2))
		return;
	line[n] = 0;
	p += strspn(p, " \t");
	p[strcspn(p, " \t\r\n")] = 0;
	snprintf(interpreter, LINE_MAX_SCRIPT, "%s", p);
}

static void look_at(struct program *p, const char *path, int depth)
{
	char interpreter[LINE_MAX_SCRIPT];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf;

	if (fd < 0)
		return; /* may be executed, but not read: nothing is known */
	read_interpreter(fd, interpreter);
	if (interpreter[0]) {
		if (depth < SCRIPT_DEPTH)
			look_at(p, interpreter, depth + 1);
	} else {
		look_at_mode(p, fd);
		elf = elf_begin(fd, ELF_C_READ, NULL);
		if (elf && elf_kind(elf) == ELF_K_ELF)
			look_at_elf(p, elf);
		elf_end(elf);
	}
	close(fd);
}

int program_find(struct program *p, const char *name)
{
	int err;

	memset(p, 0, sizeof(*p));
	err = search(p->path, name);
	if (err)
		return err;
	if (elf_version(EV_CURRENT) != EV_NONE)
		look_at(p, p->path, 0);
	return 0;
}

/* ---- its name ---- */

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_interpreter(const char *name)
{
	static const char *const names[] = {"python*", "pypy*", "perl*", "ruby*", "node", "nodejs",
					    "bash",    "sh",	"dash",	 "zsh",	  "ksh",  "Rscript",
					    "julia",   "lua*",	"php*",	 "tclsh*"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!fnmatch(names[i], name, 0))
			return true;
	return false;
}

/* Options of interpreters whose value is an argument of its own. */
static bool takes_value(const char *option, bool python)
{
	static const struct {
		const char *option;
		bool python;
	} options[] = {{"-W", true},	     {"-X", true},  {"-r", false},
		       {"--require", false}, {"-I", false}, {"-o", false}};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].python == python && !strcmp(option, options[i].option))
			return true;
	return false;
}

/* The script or "-m module" among an interpreter's arguments, NULL when there is neither. */
static const char *script_of(char *const argv[])
{
	bool python = !strncmp(base(argv[0]), "py", 2);

	for (char *const *arg = argv + 1; *arg; arg++) {
		if ((*arg)[0] != '-')
			return *arg;
		if (!strcmp(*arg, "--"))
			return arg[1];
		if (!strcmp(*arg, "-m") && python)
			return arg[1];
		if (!strcmp(*arg, "-c") || !strcmp(*arg, "-e") || !strcmp(*arg, "-"))
			return NULL;
		if (takes_value(*arg, python) && arg[1])
			arg++;
	}
	return NULL;
}

/* Characters before an extension such as ".py"; ".11" of a version is none. */
static size_t stem_length(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (!dot || dot == name || !isalpha((unsigned char)dot[1]))
		return strlen(name);
	return dot - name;
}

void program_stem(char *const argv[], char *stem, unsigned long n)
{
	const char *script = is_interpreter(base(argv[0])) ? script_of(argv) : NULL;
	const char *name = base(script ? script : argv[0]);
	size_t len = stem_length(name);

	if (len > n - 1)
		len = n - 1;
	for (size_t i = 0; i < len; i++)
		stem[i] =
			isalnum((unsigned char)name[i]) || strchr("-_+.", name[i]) ? name[i] : '_';
	stem[len] = 0;
	if (!len)
		snprintf(stem, n, "ckpt");
	if (stem[0] == '.')
		stem[0] = '_';
}
