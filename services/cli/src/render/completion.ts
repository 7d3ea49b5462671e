/** The shells that completion is made for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface CompletableOption {
  /** `-f`, `--follow`. */
  readonly names: readonly string[];
  readonly describes: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** What a shell can complete: commands, their options and what their arguments may be. */
export interface Completable {
  readonly options: readonly CompletableOption[];
  readonly commands: readonly {
    readonly name: string;
    readonly describes: string;
    readonly options: readonly CompletableOption[];
    readonly choices: readonly string[];
  }[];
}

/** A completion script. It holds all it needs: nothing is started while somebody types. */
export function completionScript(shell: Shell, program: Completable): string {
  const lines = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](program);
  return `${lines.join('\n')}\n`;
}

const namesOf = (options: readonly CompletableOption[]) => options.flatMap(({ names }) => names);

function bashScript({ options, commands }: Completable): string[] {
  const values = commands.flatMap(({ name, options: own }) =>
    own
      .filter(({ takesValue }) => takesValue)
      .map(({ names, choices }) => {
        const pattern = names.map((option) => `${name}:${option}`).join('|');
        // An empty answer lets bash complete file names.
        return `    ${pattern}) COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$word")); return;;`;
      }),
  );
  return [
    '# bash completion for cronium',
    '_cronium() {',
    '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break;; esac',
    '  done',
    '  case $command:$before in',
    ...values,
    '  esac',
    '  case $command in',
    `    '') COMPREPLY=($(compgen -W '${[...commands.map(({ name }) => name), ...namesOf(options)].join(' ')}' -- "$word"));;`,
    ...commands.map(
      ({ name, options: own, choices }) =>
        `    ${name}) COMPREPLY=($(compgen -W '${[...choices, ...namesOf(own)].join(' ')}' -- "$word"));;`,
    ),
    '  esac',
    '}',
    'complete -o default -F _cronium cronium',
  ];
}

function zshScript({ options, commands }: Completable): string[] {
  return [
    '#compdef cronium',
    '_cronium() {',
    '  local -a commands',
    '  commands=(',
    ...commands.map(({ name, describes }) => `    ${quoted(`${name}:${describes}`)}`),
    '  )',
    `  _arguments -C ${options.map(zshOption).join(' ')} '1:command:->command' '*::argument:->argument'`,
    '  case $state in',
    '    command) _describe command commands;;',
    '    argument)',
    '      case $words[1] in',
    ...commands.map(({ name, options: own, choices }) => {
      const argument = choices.length > 0 ? `'*:argument:(${choices.join(' ')})'` : "'*:file:_files'";
      return `        ${name}) _arguments ${[...own.map(zshOption), argument].join(' ')};;`;
    }),
    '      esac;;',
    '  esac',
    '}',
    'if [ "$funcstack[1]" = _cronium ]; then _cronium "$@"; else compdef _cronium cronium; fi',
  ];
}

function zshOption({ names, describes, takesValue, choices }: CompletableOption): string {
  const text = describes.replace(/[[\]:]/g, '');
  const value = takesValue ? `:value:${choices.length > 0 ? `(${choices.join(' ')})` : '_files'}` : '';
  return names.map((name) => quoted(`${name}[${text}]${value}`)).join(' ');
}

function fishScript({ options, commands }: Completable): string[] {
  const option = ({ names, describes, takesValue, choices }: CompletableOption, condition: string) => {
    const flags = names.map((name) =>
      name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
    );
    const value = takesValue ? ` -r${choices.length > 0 ? ` -f -a ${quoted(choices.join(' '))}` : ''}` : '';
    return `complete -c cronium${condition} ${flags.join(' ')}${value} -d ${quoted(describes)}`;
  };
  return [
    '# fish completion for cronium',
    ...options.map((one) => option(one, '')),
    ...commands.flatMap(({ name, describes, options: own, choices }) => {
      const inside = ` -n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
      return [
        `complete -c cronium -n __fish_use_subcommand -f -a ${name} -d ${quoted(describes)}`,
        ...own.map((one) => option(one, inside)),
        ...(choices.length > 0 ? [`complete -c cronium${inside} -f -a ${quoted(choices.join(' '))}`] : []),
      ];
    }),
  ];
}

/** A word in single quotes, for all three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`;
}
