/*
 * What starts the jobs' programs in a container (docs/adr/0041). It is sent frames over stdin:
 *
 *   frame = length, items         item = kind (one byte), length, bytes         length = 32 bits, big endian
 *
 *   n  nonce of the markers (*)   e  environment variable, NAME=value
 *   d  folder to be emptied       p  phase; the last one is the main program
 *   f  file: name, NUL, bytes     a  argument of the phase before
 *                                 r  argument of the command that runs the main program
 *
 * (*) A second one is that of the marks of a turn's end. What is printed before, a job may come to see: it can read its streams.
 *
 * The worker's side is services/worker/src/sandbox/entry-frames.ts.
 */
#ifndef CRONIUM_ENTRY_H
#define CRONIUM_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RUN_PATH "/.cronium-run"
#define MAX_PHASES 8
#define MAX_RUNNER_WORDS 8

/* Exit codes that are the fleet's own; those of programs that cannot run are a shell's. */
enum { EXIT_UNCLEAN = 124, EXIT_NO_PROGRAM = 125, EXIT_NOT_RUNNABLE = 126, EXIT_NOT_FOUND = 127 };

struct phase {
  const char *name;
  /* Ends with NULL; the first is the command. */
  char **words;
  size_t count;
};

/* What a frame says. All of it points into the frame. */
struct plan {
  const char *nonce;
  const char *last_nonce;
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

/* How a program ended; `how` is a marker's word. */
struct end {
  const char *how;
  unsigned code;
};

/* Markers that follow each other are one write: each write is copied by the shim and the daemon. */
struct markers {
  char text[512];
  size_t length;
};

/* Ends the process for something that only a fault of the fleet's own can cause. */
void give_up(const char *what);
void *allocate(size_t count, size_t size);
void write_all(int fd, const char *bytes, size_t length);
void add_marker(struct markers *markers, const char *nonce, const char *phase, const char *event, unsigned code);
void print_marker(int fd, const char *nonce, const char *phase, const char *event, unsigned code);

/* The next frame, to be freed; NULL at the end of stdin, also amid a frame. A byte beyond its length is the reader's. */
char *read_frame(size_t *length);
void read_plan(struct plan *plan, char *frame, size_t length);
void free_plan(struct plan *plan);

/* False when one does not fit: the program is incomplete then and must not run. */
bool write_files(const struct plan *plan);
void remove_files(const struct plan *plan);

/* The last phase. */
const struct phase *main_phase(const struct plan *plan);
/*
 * Runs one phase as a child, and waits for it. In a container that others use after it, its streams are files of its own.
 * False when there is no program to run; the end says why.
 */
bool run_phase(const struct plan *plan, const struct phase *phase, bool is_shared, struct end *end);
/* Runs all phases but the main one; true when all succeeded, else the end is that of the one that did not. */
bool run_first_phases(const struct plan *plan, bool is_shared, struct end *end);
/* Replaces this process with the main program, or ends it. */
void become_main(const struct plan *plan);

/*
 * What every process may change of another one of its user, and what all that it starts inherits: limits, priorities,
 * whether its streams can be opened and its folder is there. Nobody else's business in a container that others use after it.
 */
void note_standing(void);
/* Is all of it as it was noted? */
bool has_its_standing(void);

/* Serves one job, and becomes its program. */
int serve_job(void);
/* Serves the jobs of a batch one after another, as PID 1; ends at the end of stdin with the last one's exit code. */
int serve_batch(void);

#endif
