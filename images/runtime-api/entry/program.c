#define _GNU_SOURCE
#include "entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void path_of(const char *name, char *path, size_t size) {
  int length = snprintf(path, size, RUN_PATH "/%s", name);
  if (length < 0 || (size_t)length >= size || strchr(name, '/') != NULL) give_up("a file's name is none");
}

static bool write_file(char *item, size_t length) {
  char path[256];
  path_of(item, path, sizeof path);
  const char *bytes = item + strlen(item) + 1;
  size_t left = length - (size_t)(bytes - item);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  while (left > 0) {
    ssize_t written = write(fd, bytes, left);
    if (written < 0) break;
    bytes += written;
    left -= (size_t)written;
  }
  return close(fd) == 0 && left == 0;
}

bool write_files(const struct plan *plan) {
  for (size_t i = 0; i < plan->file_count; i++) {
    if (strlen(plan->files[i]) >= plan->file_sizes[i]) give_up("a file without a name");
    if (!write_file(plan->files[i], plan->file_sizes[i])) return false;
  }
  return true;
}

void remove_files(const struct plan *plan) {
  for (size_t i = 0; i < plan->file_count; i++) {
    char path[256];
    path_of(plan->files[i], path, sizeof path);
    unlink(path);
  }
}

struct found {
  char path[4096];
  unsigned code;
  /* Why it cannot run; empty when it can. */
  char problem[4200];
};

static bool is_program(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static const char *variable(const struct plan *plan, const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < plan->variable_count; i++) {
    const char *entry = plan->environment[i];
    if (strncmp(entry, name, length) == 0 && entry[length] == '=') return entry + length + 1;
  }
  return "";
}

/* As execvp looks a command up, but for a PATH that is empty. */
static bool look_up(const struct plan *plan, const char *command, struct found *found) {
  if (strchr(command, '/') != NULL) {
    return (size_t)snprintf(found->path, sizeof found->path, "%s", command) < sizeof found->path;
  }
  const char *folder = variable(plan, "PATH");
  while (*folder != '\0') {
    size_t length = strcspn(folder, ":");
    const char *shown = length == 0 ? "." : folder;
    int written = snprintf(found->path, sizeof found->path, "%.*s/%s", length == 0 ? 1 : (int)length, shown, command);
    if (written > 0 && (size_t)written < sizeof found->path && is_program(found->path)) return true;
    folder += length + (folder[length] == ':');
  }
  return false;
}

static bool refuse(struct found *found, unsigned code, const char *problem) {
  found->code = code;
  snprintf(found->problem, sizeof found->problem, "%s", problem);
  return false;
}

/* The kernel's own word for an interpreter that is missing would be that the script is. */
static bool has_interpreter(char *line, struct found *found) {
  char *interpreter = line + 2 + strspn(line + 2, " \t");
  interpreter[strcspn(interpreter, " \t\r\n")] = '\0';
  if (access(interpreter, X_OK) == 0) return true;
  found->code = EXIT_NOT_FOUND;
  snprintf(found->problem, sizeof found->problem, "its interpreter %s is not in the image", interpreter);
  return false;
}

static bool find_program(const struct plan *plan, const char *command, struct found *found) {
  *found = (struct found){.code = 0};
  struct stat status;
  if (*command == '\0' || !look_up(plan, command, found) || stat(found->path, &status) != 0) {
    return refuse(found, EXIT_NOT_FOUND, "no such program in the image");
  }
  if (!is_program(found->path)) return refuse(found, EXIT_NOT_RUNNABLE, "is not an executable file");
  int fd = open(found->path, O_RDONLY | O_CLOEXEC);
  /* Whoever may run a program need not be allowed to read it. */
  if (fd < 0) return true;
  char start[256] = "";
  ssize_t length = read(fd, start, sizeof start - 1);
  close(fd);
  if (length >= 4 && memcmp(start, "\177ELF", 4) == 0) return true;
  if (length >= 2 && memcmp(start, "#!", 2) == 0) return has_interpreter(start, found);
  return refuse(found, EXIT_NOT_RUNNABLE, "is neither a binary nor a script that begins with #!");
}

/* Puts an own open file in the place of a stream: a flag that a job sets on it ends with the job. */
static void take_stream(int target, const char *path, int flags) {
  int fd = open(path, flags);
  if (fd < 0 || dup2(fd, target) < 0) _exit(EXIT_NOT_RUNNABLE);
  close(fd);
}

static void become(const struct plan *plan, char **words) {
  execve(words[0], words, plan->environment);
  int code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUNNABLE;
  dprintf(STDERR_FILENO, "cronium: %s: %s\n", words[0], strerror(errno));
  _exit(code);
}

const struct phase *main_phase(const struct plan *plan) {
  if (plan->phase_count == 0) give_up("a program without a main phase");
  return &plan->phases[plan->phase_count - 1];
}

/* The words of a phase's command, with the program that was found in the place of its name. */
static char **words_of(const struct plan *plan, const struct phase *phase, struct found *found) {
  size_t runner = phase == main_phase(plan) ? plan->runner_words : 0;
  char **words = allocate(runner + phase->count + 1, sizeof(char *));
  memcpy(words, plan->runner, runner * sizeof(char *));
  words[runner] = found->path;
  memcpy(words + runner + 1, phase->words + 1, (phase->count - 1) * sizeof(char *));
  return words;
}

static bool find_phase(const struct plan *plan, const struct phase *phase, struct found *found) {
  const char *command = phase->count == 0 ? "" : phase->words[0];
  if (find_program(plan, command, found)) return true;
  print_marker(STDOUT_FILENO, plan->nonce, phase->name, "unrunnable", found->code);
  dprintf(STDERR_FILENO, "cronium: %s: %s\n", command, found->problem);
  return false;
}

/* Waits for one child; orphans that end meanwhile are nobody else's to wait for. */
static int wait_for(pid_t child) {
  int status = 0;
  pid_t ended;
  do ended = wait(&status);
  while (ended != child && (ended >= 0 || errno == EINTR));
  return status;
}

static struct end end_of(int status) {
  if (WIFSIGNALED(status)) return (struct end){.how = "signal", .code = 128u + (unsigned)WTERMSIG(status)};
  return (struct end){.how = "exit", .code = (unsigned)WEXITSTATUS(status)};
}

static void start_child(const struct plan *plan, const struct phase *phase, char **words, bool is_shared) {
  if (is_shared) {
    take_stream(STDOUT_FILENO, "/proc/self/fd/1", O_WRONLY);
    take_stream(STDERR_FILENO, "/proc/self/fd/2", O_WRONLY);
  }
  take_stream(STDIN_FILENO, "/dev/null", O_RDONLY);
  print_marker(STDOUT_FILENO, plan->nonce, phase->name, "start", is_shared ? (unsigned)getpid() : 0);
  become(plan, words);
}

bool run_phase(const struct plan *plan, const struct phase *phase, bool is_shared, struct end *end) {
  struct found found;
  bool is_found = find_phase(plan, phase, &found);
  *end = (struct end){.how = "exit", .code = found.code};
  if (!is_found) return false;
  char **words = words_of(plan, phase, &found);
  /* The child has this process's memory until it is another program: nothing is copied. */
  pid_t child = vfork();
  if (child == 0) start_child(plan, phase, words, is_shared);
  free(words);
  if (child < 0) {
    dprintf(STDERR_FILENO, "cronium: %s cannot be started: %s\n", found.path, strerror(errno));
    end->code = EXIT_NOT_RUNNABLE;
    return false;
  }
  *end = end_of(wait_for(child));
  return true;
}

bool run_first_phases(const struct plan *plan, bool is_shared, struct end *end) {
  for (size_t i = 0; i + 1 < plan->phase_count; i++) {
    const struct phase *phase = &plan->phases[i];
    if (!run_phase(plan, phase, is_shared, end)) return false;
    print_marker(STDOUT_FILENO, plan->nonce, phase->name, "exit", end->code);
    end->how = "exit";
    if (end->code != 0) return false;
  }
  return true;
}

void become_main(const struct plan *plan) {
  const struct phase *phase = main_phase(plan);
  struct found found;
  if (!find_phase(plan, phase, &found)) _exit((int)found.code);
  take_stream(STDIN_FILENO, "/dev/null", O_RDONLY);
  print_marker(STDOUT_FILENO, plan->nonce, phase->name, "start", 0);
  become(plan, words_of(plan, phase, &found));
}
