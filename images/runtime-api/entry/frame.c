#include "entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FRAME_BYTES (64u * 1024 * 1024)
#define MAX_NONCE_BYTES 64

void give_up(const char *what) {
  dprintf(STDERR_FILENO, "cronium: the entry program ends: %s\n", what);
  _exit(EXIT_NO_PROGRAM);
}

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) give_up("no memory");
  return memory;
}

void write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    bytes += written;
    length -= (size_t)written;
  }
}

void add_marker(struct markers *markers, const char *nonce, const char *phase, const char *event, unsigned code) {
  size_t room = sizeof markers->text - markers->length;
  int length = snprintf(markers->text + markers->length, room, "\036%s %s %s %u\n", nonce, phase, event, code);
  if (length > 0 && (size_t)length < room) markers->length += (size_t)length;
}

void print_marker(int fd, const char *nonce, const char *phase, const char *event, unsigned code) {
  struct markers markers = {.length = 0};
  add_marker(&markers, nonce, phase, event, code);
  write_all(fd, markers.text, markers.length);
}

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

char *read_frame(size_t *length) {
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

static void add_nonce(struct plan *plan, const char *nonce) {
  if (strlen(nonce) > MAX_NONCE_BYTES) give_up("a nonce is too long");
  if (plan->nonce == NULL) plan->nonce = nonce;
  plan->last_nonce = nonce;
}

static void add_item(struct plan *plan, char kind, char *value, size_t length, size_t items) {
  switch (kind) {
    case 'n': add_nonce(plan, value); return;
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
void read_plan(struct plan *plan, char *frame, size_t length) {
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
  if (plan->nonce == NULL) give_up("a frame without a nonce");
}

void free_plan(struct plan *plan) {
  for (size_t i = 0; i < plan->phase_count; i++) free(plan->phases[i].words);
  free(plan->folders);
  free(plan->files);
  free(plan->file_sizes);
  free(plan->environment);
}
