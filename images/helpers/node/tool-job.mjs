// A tool job's program: runs the action of CRONIUM_TOOL_CALL, and makes its answer the job's output.
import { executeToolAction, output } from 'cronium';

const { tool, action, params, credential } = JSON.parse(process.env.CRONIUM_TOOL_CALL ?? 'null');
try {
  const answer = await executeToolAction(tool, action, { ...params, ...(credential && { credential }) });
  await output(answer ?? null);
  console.log(`${tool} ${action} done`);
} catch (error) {
  console.error(`${tool} ${action} failed: ${error.message}`);
  process.exitCode = 1;
}
