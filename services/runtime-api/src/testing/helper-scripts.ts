/** A call of a helper function, and what must come of it in every language. */
export interface Step {
  /** The function's name in Node; other languages spell it with underscores. */
  readonly call: string;
  readonly args: readonly unknown[];
  /** What it returns; nothing, and a missing value, are null. */
  readonly gives?: unknown;
  /** What the error's message is like. */
  readonly fails?: RegExp;
  /** The arguments in Bash, where text and JSON are told apart. */
  readonly bash?: readonly string[];
  /** Bash prints it as text. */
  readonly isText?: boolean;
  /** Named arguments of Python, where Node takes an object at the end. */
  readonly named?: Readonly<Record<string, unknown>>;
  /** What it returns is of no use in Bash, which has to print it. */
  readonly isSilentInBash?: boolean;
}

/** The outcome of a step as a script prints it. */
export interface Outcome {
  readonly value?: unknown;
  readonly error?: string;
}

export type Script = (steps: readonly Step[]) => string;

const underscored = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A Bash script with strict settings: the helpers must stand them. */
export const bashScript: Script = (steps) =>
  `set -euo pipefail\nsource cronium.sh\n${steps.map(bashStep).join('')}`;

function bashStep({ call, args, bash, isText = false, isSilentInBash = false }: Step): string {
  const words = (bash ?? args.map(String)).map(quoted).join(' ');
  const show = isText ? `$(printf '%s' "$out" | jq -Rs .)` : isSilentInBash ? 'null' : `\${out:-null}`;
  return `status=0
out=$(cronium_${underscored(call)} ${words} 2>stderr) || status=$?
if [[ $status == 0 ]]; then printf '{"value":%s}\\n' "${show}"; else jq -cRs '{error: .}' stderr; fi
`;
}

const pythonValue = (value: unknown): string => `json.loads(${JSON.stringify(JSON.stringify(value))})`;

function pythonCall({ call, args, named = {} }: Step): string {
  const positional =
    named === undefined ? args : args.slice(0, args.length - (Object.keys(named).length > 0 ? 1 : 0));
  const keywords = Object.entries(named).map(([name, value]) => `${name}=${pythonValue(value)}`);
  return `${underscored(call)}(${[...positional.map(pythonValue), ...keywords].join(', ')})`;
}

const PYTHON_HEAD = `import json
import cronium
def show(outcome):
    print(json.dumps(outcome), flush=True)
`;

export const pythonScript: Script = (steps) =>
  PYTHON_HEAD +
  steps
    .map(
      (step) =>
        `try:\n    show({"value": cronium.${pythonCall(step)}})\nexcept cronium.CroniumError as error:\n    show({"error": str(error)})\n`,
    )
    .join('');

export const asyncPythonScript: Script = (steps) => {
  const calls = steps.map(
    (step) => `    try:
        show({"value": await aio.${pythonCall(step)}})
    except cronium.CroniumError as error:
        show({"error": str(error)})
`,
  );
  return `${PYTHON_HEAD}import asyncio\nfrom cronium import aio\nasync def main():\n${calls.join('')}asyncio.run(main())\n`;
};

const nodeSteps: Script = (steps) =>
  steps
    .map(
      ({ call, args }) =>
        `await show(() => cronium.${call}(${args.map((arg) => JSON.stringify(arg)).join(', ')}));\n`,
    )
    .join('');

const NODE_SHOW = `const show = async (run) => {
  const outcome = await Promise.resolve().then(run).then((value) => ({ value: value ?? null }), (error) => {
    if (!(error instanceof cronium.CroniumError)) throw error;
    return { error: error.message };
  });
  console.log(JSON.stringify(outcome));
};
`;

export const moduleScript: Script = (steps) =>
  `import cronium, { input } from 'cronium';\nif (input !== cronium.input) throw new Error('two modules');\n${NODE_SHOW}${nodeSteps(steps)}`;

export const commonJsScript: Script = (steps) =>
  `const cronium = require('cronium');\n${NODE_SHOW}(async () => {\n${nodeSteps(steps)}})();\n`;
