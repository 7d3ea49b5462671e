/*
 * PID 1 of a container that serves the jobs of a batch, one after another (docs/adr/0029 and 0041).
 *
 * It reads frames from stdin and runs each as a turn, when all of it has arrived:
 *
 *   frame = length, items         item = kind (one byte), length, bytes         length = 32 bits, big endian
 *
 *   n  nonce of the markers       e  environment variable, NAME=value
 *   d  folder to be emptied       p  phase; the last one is the main program
 *   f  file: name, NUL, bytes     a  argument of the phase before
 *                                 r  argument of the command that runs the main program
 *
 * The first frame has the container's own nonce and the folders. At the end of stdin it ends, with the last turn's exit code.
 * The worker's side is services/worker/src/sandbox/batch/supervisor.ts.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_PATH "/.cronium-run"
#define MAX_FRAME_BYTES (8u * 1024 * 1024)
#define MAX_FOLDERS 64
#define MAX_PHASES 8
#define MAX_RUNNER_WORDS 8

/* Exit codes that are the fleet's own; those of programs that cannot run are a shell's. */
enum { EXIT_UNCLEAN = 124, EXIT_NO_PROGRAM = 125, EXIT_NOT_RUNNABLE = 126, EXIT_NOT_FOUND = 127 };

/* Processes that do not die are waited for so many times, two milliseconds each. */
enum { KILL_TRIES = 500, IMPATIENT_TRIES = 5, KILL_PAUSE_US = 2000 };

struct folder {
  char *path;
  mode_t mode;
};

struct phase {
  const char *name;
  /* Ends with NULL; the first is the command. */
  char **words;
  size_t count;
};

/* What a frame says. All of it points into the frame. */
struct plan {
  const char *nonce;
  char **folders;
  size_t folder_count;
  char **files;
  size_t *file_sizes;
  size_t file_count;
  char **environment;
  size_t variable_count;
  struct phase phases[MAX_PHASES];
  size_t phase_count;
  char *runner[MAX_RUNNER_WORDS];
  size_t runner_words;
};

struct end {
  const char *how;
  unsigned code;
};

static struct folder folders[MAX_FOLDERS];
static size_t folder_count;
/* The kernel's count of processes that it killed for memory. */
static int kill_counter = -1;
static unsigned known_kills;

/* Something that only a fault of the fleet's own can cause. */
static void give_up(const char *what) {
  dprintf(STDERR_FILENO, "cronium: the supervisor ends: %s\n", what);
  _exit(EXIT_NO_PROGRAM);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) give_up("no memory");
  return memory;
}

static void write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    bytes += written;
    length -= (size_t)written;
  }
}

/* -- markers -- */

/* Markers that follow each other are one write: each write is copied by the shim and the daemon. */
struct markers {
  char text[512];
  size_t length;
};

static void add_marker(struct markers *markers, const char *nonce, const char *phase, const char *event, unsigned code) {
  size_t room = sizeof markers->text - markers->length;
  int length = snprintf(markers->text + markers->length, room, "\036%s %s %s %u\n", nonce, phase, event, code);
  if (length > 0 && (size_t)length < room) markers->length += (size_t)length;
}

static void print_marker(int fd, const char *nonce, const char *phase, const char *event, unsigned code) {
  struct markers markers = {.length = 0};
  add_marker(&markers, nonce, phase, event, code);
  write_all(fd, markers.text, markers.length);
}

/* -- frames -- */

/* False at the end of stdin. */
static bool read_all(char *into, size_t length) {
  while (length > 0) {
    ssize_t got = read(STDIN_FILENO, into, length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into += got;
    length -= (size_t)got;
  }
  return true;
}

static size_t length_at(const char *bytes) {
  const unsigned char *b = (const unsigned char *)bytes;
  return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | (size_t)b[3];
}

/* The next frame; NULL at the end of stdin. One byte more than its length is the caller's. */
static char *read_frame(size_t *length) {
  char header[4];
  if (!read_all(header, sizeof header)) return NULL;
  *length = length_at(header);
  if (*length > MAX_FRAME_BYTES) give_up("a frame is too long");
  char *frame = allocate(*length + 1, 1);
  if (read_all(frame, *length)) return frame;
  free(frame);
  return NULL;
}

static void add_word(struct plan *plan, char *word) {
  if (plan->phase_count == 0) give_up("an argument of no phase");
  struct phase *phase = &plan->phases[plan->phase_count - 1];
  phase->words[phase->count++] = word;
}

static void add_phase(struct plan *plan, char *name, size_t words) {
  if (plan->phase_count == MAX_PHASES) give_up("too many phases");
  struct phase *phase = &plan->phases[plan->phase_count++];
  *phase = (struct phase){.name = name, .words = allocate(words + 1, sizeof(char *))};
}

static void add_runner_word(struct plan *plan, char *word) {
  if (plan->runner_words == MAX_RUNNER_WORDS) give_up("the runner is too long");
  plan->runner[plan->runner_words++] = word;
}

static void add_item(struct plan *plan, char kind, char *value, size_t length, size_t items) {
  switch (kind) {
    case 'n': plan->nonce = value; return;
    case 'd': plan->folders[plan->folder_count++] = value; return;
    case 'f':
      plan->file_sizes[plan->file_count] = length;
      plan->files[plan->file_count++] = value;
      return;
    case 'e': plan->environment[plan->variable_count++] = value; return;
    case 'p': add_phase(plan, value, items); return;
    case 'a': add_word(plan, value); return;
    case 'r': add_runner_word(plan, value); return;
    default: give_up("an item of unknown kind");
  }
}

/* Every value ends with a NUL: the byte after it is the next item's kind, which was read before. */
static void read_plan(struct plan *plan, char *frame, size_t length) {
  size_t items = length / 5 + 1;
  *plan = (struct plan){.nonce = NULL};
  plan->folders = allocate(items, sizeof(char *));
  plan->files = allocate(items, sizeof(char *));
  plan->file_sizes = allocate(items, sizeof(size_t));
  plan->environment = allocate(items + 1, sizeof(char *));
  size_t at = 0;
  char kind = frame[0];
  while (at < length) {
    if (length - at < 5) give_up("a frame ends within an item");
    size_t size = length_at(frame + at + 1);
    if (size > length - at - 5) give_up("an item is longer than its frame");
    char *value = frame + at + 5;
    char next = value[size];
    value[size] = '\0';
    add_item(plan, kind, value, size, items);
    kind = next;
    at += 5 + size;
  }
  if (plan->nonce == NULL || strlen(plan->nonce) > 64) give_up("a frame without a nonce");
}

static void free_plan(struct plan *plan) {
  for (size_t i = 0; i < plan->phase_count; i++) free(plan->phases[i].words);
  free(plan->folders);
  free(plan->files);
  free(plan->file_sizes);
  free(plan->environment);
}

/* -- files of a turn -- */

static void path_of(const char *name, char *path, size_t size) {
  int length = snprintf(path, size, RUN_PATH "/%s", name);
  if (length < 0 || (size_t)length >= size || strchr(name, '/') != NULL) give_up("a file's name is none");
}

/* What a full file system leaves out makes the program incomplete: it must not run then. */
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

static bool write_files(const struct plan *plan) {
  for (size_t i = 0; i < plan->file_count; i++) {
    if (strlen(plan->files[i]) >= plan->file_sizes[i]) give_up("a file without a name");
    if (!write_file(plan->files[i], plan->file_sizes[i])) return false;
  }
  return true;
}

static void remove_files(const struct plan *plan) {
  for (size_t i = 0; i < plan->file_count; i++) {
    char path[256];
    path_of(plan->files[i], path, sizeof path);
    unlink(path);
  }
}

/* -- programs -- */

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

static void become(const struct plan *plan, const char *phase, char **words) {
  take_stream(STDOUT_FILENO, "/proc/self/fd/1", O_WRONLY);
  take_stream(STDERR_FILENO, "/proc/self/fd/2", O_WRONLY);
  take_stream(STDIN_FILENO, "/dev/null", O_RDONLY);
  print_marker(STDOUT_FILENO, plan->nonce, phase, "start", (unsigned)getpid());
  execve(words[0], words, plan->environment);
  int code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUNNABLE;
  dprintf(STDERR_FILENO, "cronium: %s: %s\n", words[0], strerror(errno));
  _exit(code);
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

static struct end run_phase(const struct plan *plan, const struct phase *phase, bool is_main) {
  struct found found;
  const char *command = phase->count == 0 ? "" : phase->words[0];
  if (!find_program(plan, command, &found)) {
    print_marker(STDOUT_FILENO, plan->nonce, phase->name, "unrunnable", found.code);
    dprintf(STDERR_FILENO, "cronium: %s: %s\n", command, found.problem);
    return (struct end){.how = "exit", .code = found.code};
  }
  size_t runner = is_main ? plan->runner_words : 0;
  char **words = allocate(runner + phase->count + 1, sizeof(char *));
  memcpy(words, plan->runner, runner * sizeof(char *));
  words[runner] = found.path;
  memcpy(words + runner + 1, phase->words + 1, (phase->count - 1) * sizeof(char *));
  /* The child has this process's memory until it is another program: nothing is copied. */
  pid_t child = vfork();
  if (child == 0) become(plan, phase->name, words);
  free(words);
  if (child < 0) {
    dprintf(STDERR_FILENO, "cronium: %s cannot be started: %s\n", command, strerror(errno));
    return (struct end){.how = "exit", .code = EXIT_NOT_RUNNABLE};
  }
  return end_of(wait_for(child));
}

static struct end run_phases(const struct plan *plan) {
  struct end end = {.how = "exit", .code = EXIT_NO_PROGRAM};
  if (!write_files(plan)) return end;
  for (size_t i = 0; i < plan->phase_count; i++) {
    const struct phase *phase = &plan->phases[i];
    bool is_main = i + 1 == plan->phase_count;
    end = run_phase(plan, phase, is_main);
    if (is_main) return end;
    print_marker(STDOUT_FILENO, plan->nonce, phase->name, "exit", end.code);
    if (end.code != 0) return (struct end){.how = "exit", .code = end.code};
  }
  return end;
}

/* -- between turns -- */

/* Nobody escapes it: the kernel spares PID 1 alone, and makes every orphan its child. */
static bool end_all(void) {
  for (int tries = 0; tries < KILL_TRIES; tries++) {
    if (kill(-1, SIGKILL) != 0) return errno == ESRCH;
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    if (tries < IMPATIENT_TRIES) sched_yield();
    else usleep(KILL_PAUSE_US);
  }
  return false;
}

static unsigned count_kills(void) {
  char text[1024];
  ssize_t length = pread(kill_counter, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = '\0';
  const char *found = strstr(text, "\noom_kill ");
  return found == NULL ? 0 : (unsigned)strtoul(found + strlen("\noom_kill "), NULL, 10);
}

static void open_kill_counter(void) {
  kill_counter = open("/sys/fs/cgroup/memory/memory.oom_control", O_RDONLY | O_CLOEXEC);
  if (kill_counter < 0) kill_counter = open("/sys/fs/cgroup/memory.events", O_RDONLY | O_CLOEXEC);
  known_kills = count_kills();
}

/* How many more there are than at the last look. */
static unsigned new_kills(void) {
  unsigned before = known_kills;
  known_kills = count_kills();
  return known_kills - before;
}

static bool is_dot(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes what is in a folder, and closes it. A pass that removes something may have skipped something. */
static void empty_folder(int fd) {
  DIR *folder = fdopendir(fd);
  if (folder == NULL) {
    close(fd);
    return;
  }
  for (bool removed = true; removed;) {
    removed = false;
    rewinddir(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
      if (is_dot(entry->d_name)) continue;
      bool gone = unlinkat(dirfd(folder), entry->d_name, 0) == 0;
      if (!gone) {
        int inner = openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0) empty_folder(inner);
        gone = unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR) == 0;
      }
      removed = removed || gone;
    }
  }
  closedir(folder);
}

static bool is_empty(const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL) return false;
  bool empty = true;
  for (struct dirent *entry = readdir(folder); empty && entry != NULL; entry = readdir(folder)) {
    empty = is_dot(entry->d_name);
  }
  closedir(folder);
  return empty;
}

/* A folder that cannot be read, written and entered is none that the next job can use. */
static bool is_as_made(const struct folder *folder) {
  struct stat status;
  if (stat(folder->path, &status) != 0 || status.st_mode != folder->mode) return false;
  return access(folder->path, R_OK | W_OK | X_OK) == 0 && is_empty(folder->path);
}

/* Objects of System V IPC outlive their processes. */
static bool has_objects(void) {
  struct shm_info segments = {.used_ids = 0};
  struct seminfo sets = {.semusz = 0};
  struct msginfo queues = {.msgpool = 0};
  bool known = shmctl(0, SHM_INFO, (struct shmid_ds *)&segments) >= 0;
  known = semctl(0, 0, SEM_INFO, &sets) >= 0 && known;
  known = msgctl(0, MSG_INFO, (struct msqid_ds *)&queues) >= 0 && known;
  return (!known && errno != ENOSYS) || segments.used_ids + sets.semusz + queues.msgpool > 0;
}

static bool is_clean(void) {
  for (size_t i = 0; i < folder_count; i++) {
    if (!is_as_made(&folders[i])) return false;
  }
  return !has_objects();
}

static void clean(void) {
  for (size_t i = 0; i < folder_count; i++) {
    int fd = open(folders[i].path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) empty_folder(fd);
    chmod(folders[i].path, folders[i].mode & 07777);
  }
}

static void add_folder(const char *path) {
  struct stat status;
  if (folder_count == MAX_FOLDERS) give_up("too many folders");
  if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) return;
  char *own = strdup(path);
  if (own == NULL) give_up("no memory");
  folders[folder_count++] = (struct folder){.path = own, .mode = status.st_mode};
}

/* -- turns -- */

static void greet(const struct plan *plan) {
  for (size_t i = 0; i < plan->folder_count; i++) add_folder(plan->folders[i]);
  print_marker(STDOUT_FILENO, plan->nonce, "boot", "start", 0);
  print_marker(STDERR_FILENO, plan->nonce, "boot", "start", 0);
}

/* The marks of the end are printed when nobody is left who could write. */
static unsigned serve(const struct plan *plan) {
  print_marker(STDERR_FILENO, plan->nonce, "boot", "start", 0);
  struct end end = run_phases(plan);
  if (!end_all()) _exit(EXIT_UNCLEAN);
  unsigned kills = new_kills();
  print_marker(STDERR_FILENO, plan->nonce, "turn", end.how, end.code);
  struct markers last = {.length = 0};
  if (kills > 0) add_marker(&last, plan->nonce, "turn", "oom", kills);
  add_marker(&last, plan->nonce, "turn", end.how, end.code);
  remove_files(plan);
  if (!is_clean()) {
    write_all(STDOUT_FILENO, last.text, last.length);
    last.length = 0;
    clean();
    if (!is_clean()) _exit(EXIT_UNCLEAN);
  }
  add_marker(&last, plan->nonce, "turn", "clean", 0);
  write_all(STDOUT_FILENO, last.text, last.length);
  return end.code;
}

int main(void) {
  /* It ends all processes that it can reach. */
  if (getpid() != 1) {
    fputs("cronium: the supervisor must be PID 1 of a container\n", stderr);
    return EXIT_NOT_RUNNABLE;
  }
  /* Its memory and its files, among them the stdin over which later jobs come, are nobody's to look into. */
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) give_up("it cannot be protected");
  open_kill_counter();
  unsigned code = 0;
  bool greeted = false;
  size_t length;
  for (char *frame = read_frame(&length); frame != NULL; frame = read_frame(&length)) {
    struct plan plan;
    read_plan(&plan, frame, length);
    if (greeted) code = serve(&plan);
    else greet(&plan);
    greeted = true;
    free_plan(&plan);
    free(frame);
  }
  return greeted ? (int)code : EXIT_NO_PROGRAM;
}
