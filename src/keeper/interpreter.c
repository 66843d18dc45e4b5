#include "interpreter.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What the kernel reads of a script (BINPRM_BUF_SIZE), and how many it follows (execve(2)). */
#define SCRIPT_BYTES 256
#define MAX_DEPTH 6

static bool read_script(const char *head, size_t length, char interpreter[PATH_MAX])
{
	const char *at = head + 2, *end = head + length;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	size_t name = 0;
	while (at + name < end && strchr(" \t\n", at[name]) == NULL)
		name++;
	memcpy(interpreter, at, name);
	interpreter[name] = '\0';
	return name > 0;
}

static bool read_elf(int fd, const char *head, size_t length, char interpreter[PATH_MAX])
{
	Elf64_Ehdr header;
	if (length < sizeof header)
		return false;
	memcpy(&header, head, sizeof header);
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(Elf64_Phdr))
		return false;
	for (int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr part;
		off_t at = (off_t)(header.e_phoff + (Elf64_Off)i * sizeof part);
		if (pread(fd, &part, sizeof part, at) != sizeof part)
			return false;
		if (part.p_type != PT_INTERP)
			continue;
		if (part.p_filesz == 0 || part.p_filesz >= PATH_MAX)
			return false;
		ssize_t name = pread(fd, interpreter, part.p_filesz, (off_t)part.p_offset);
		interpreter[name < 0 ? 0 : name] = '\0';
		return name > 0;
	}
	return false;
}

static bool read_interpreter(const char *path, char interpreter[PATH_MAX])
{
	char head[SCRIPT_BYTES];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t length = read(fd, head, sizeof head);
	bool is_found = length > 2 && head[0] == '#' && head[1] == '!'
		? read_script(head, (size_t)length, interpreter)
		: length > 0 && read_elf(fd, head, (size_t)length, interpreter);
	close(fd);
	return is_found;
}

bool find_interpreter(const char *path, char interpreter[PATH_MAX])
{
	char next[PATH_MAX];
	if (!read_interpreter(path, interpreter))
		return false;
	for (int depth = 1; depth < MAX_DEPTH && access(interpreter, X_OK) == 0; depth++) {
		if (!read_interpreter(interpreter, next))
			break;
		strcpy(interpreter, next);
	}
	return true;
}
