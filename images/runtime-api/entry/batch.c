#define _GNU_SOURCE
#include "entry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Processes that do not die are waited for so many times, two milliseconds each. */
enum { KILL_TRIES = 500, IMPATIENT_TRIES = 5, KILL_PAUSE_US = 2000 };

struct folder {
  const char *path;
  mode_t mode;
  /* How long the names of its extended attributes are: among them is what its new files are given (acl(5)). */
  ssize_t attributes;
};

static struct folder *folders;
static size_t folder_count;
/* The kernel's count of processes that it killed for memory. */
static int kill_counter = -1;
static unsigned known_kills;

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
  /* From one that is read-only nothing can be removed. */
  fchmod(fd, S_IRWXU);
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
  if (listxattr(folder->path, NULL, 0) != folder->attributes) return false;
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
  return !has_objects() && has_its_standing();
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
  if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) return;
  ssize_t attributes = listxattr(path, NULL, 0);
  folders[folder_count++] = (struct folder){.path = path, .mode = status.st_mode, .attributes = attributes};
}

static void greet(const struct plan *plan) {
  folders = allocate(plan->folder_count, sizeof *folders);
  for (size_t i = 0; i < plan->folder_count; i++) add_folder(plan->folders[i]);
  print_marker(STDOUT_FILENO, plan->nonce, "boot", "start", 0);
  print_marker(STDERR_FILENO, plan->nonce, "boot", "start", 0);
}

static struct end run_all(const struct plan *plan) {
  struct end end = {.how = "exit", .code = EXIT_NO_PROGRAM};
  if (!write_files(plan) || !run_first_phases(plan, true, &end)) return end;
  run_phase(plan, main_phase(plan), true, &end);
  return end;
}

/* The marks of the end are printed when nobody is left who could write. */
static unsigned serve(const struct plan *plan) {
  print_marker(STDERR_FILENO, plan->nonce, "boot", "start", 0);
  struct end end = run_all(plan);
  if (!end_all()) _exit(EXIT_UNCLEAN);
  unsigned kills = new_kills();
  print_marker(STDERR_FILENO, plan->last_nonce, "turn", end.how, end.code);
  struct markers last = {.length = 0};
  if (kills > 0) add_marker(&last, plan->last_nonce, "turn", "oom", kills);
  add_marker(&last, plan->last_nonce, "turn", end.how, end.code);
  remove_files(plan);
  if (!is_clean()) {
    write_all(STDOUT_FILENO, last.text, last.length);
    last.length = 0;
    clean();
    if (!is_clean()) _exit(EXIT_UNCLEAN);
  }
  add_marker(&last, plan->last_nonce, "turn", "clean", 0);
  write_all(STDOUT_FILENO, last.text, last.length);
  return end.code;
}

int serve_batch(void) {
  /* It ends all processes that it can reach. */
  if (getpid() != 1) {
    fputs("cronium: batches are served by PID 1 of a container\n", stderr);
    return EXIT_NOT_RUNNABLE;
  }
  /* Its memory and its files, among them the stdin over which later jobs come, are nobody's to look into. */
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) give_up("it cannot be protected");
  open_kill_counter();
  note_standing();
  size_t length;
  char *hello = read_frame(&length);
  if (hello == NULL) return EXIT_NO_PROGRAM;
  struct plan plan;
  read_plan(&plan, hello, length);
  /* It is kept: it holds the folders' names. */
  greet(&plan);
  unsigned code = 0;
  for (char *frame = read_frame(&length); frame != NULL; frame = read_frame(&length)) {
    read_plan(&plan, frame, length);
    code = serve(&plan);
    free_plan(&plan);
    free(frame);
  }
  return (int)code;
}
