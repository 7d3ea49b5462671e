// A tool job's program: runs the action of CRONIUM_TOOL_CALL, and makes its answer the job's output.
// Exit code 0 when the tool did it, 1 otherwise.
import { executeToolAction, output } from 'cronium';
import { explain, task } from './built-in.mjs';

const { tool, action, params = {}, credential } = task('CRONIUM_TOOL_CALL');
try {
  const answer = await executeToolAction(tool, action, { ...params, ...(credential && { credential }) });
  await output(answer);
  console.log(`${tool} ${action}: done`);
} catch (error) {
  console.error(`${tool} ${action} failed: ${explain(error)}`);
  process.exitCode = 1;
}
