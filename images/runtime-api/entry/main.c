#include "entry.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * The first frame is the job's, and may come before it is sure that it shall run; the second, which is empty, begins. Without
 * it nothing of the job's runs. Each stream begins with a marker: a reader that doesn't find it knows that the log was rotated.
 */
int serve_job(void) {
  size_t length;
  char *frame = read_frame(&length);
  if (frame == NULL) return EXIT_NO_PROGRAM;
  struct plan plan;
  read_plan(&plan, frame, length);
  if (!write_files(&plan)) return EXIT_NO_PROGRAM;
  print_marker(STDOUT_FILENO, plan.nonce, "boot", "start", 0);
  print_marker(STDERR_FILENO, plan.nonce, "boot", "start", 0);
  if (read_frame(&length) == NULL) return EXIT_NO_PROGRAM;
  struct end end;
  if (run_first_phases(&plan, false, &end)) become_main(&plan);
  return (int)end.code;
}

int main(int count, char **words) {
  if (count == 2 && strcmp(words[1], "job") == 0) return serve_job();
  if (count == 2 && strcmp(words[1], "batch") == 0) return serve_batch();
  fputs("cronium: say whether it is for a job or for a batch\n", stderr);
  return EXIT_NOT_RUNNABLE;
}
