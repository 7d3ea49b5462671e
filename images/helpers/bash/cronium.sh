#!/usr/bin/env bash
# Cronium's helpers for Bash. Use them by: . /usr/local/bin/cronium.sh   (or: source cronium.sh)
#
# Values are text unless --json is given: `cronium_set_variable name 5` stores "5", `cronium_set_variable --json name 5`
# stores the number. What is read back prints as it is when it is text, and as JSON otherwise.
# Every function prints its answer on stdout, explains failures on stderr, and returns non-zero on failure: 1 for an
# error, 4 when what was asked for does not exist. Calls are tried 3 times, 1 s and 2 s apart, when the connection
# fails, the answer takes too long, or its status is 500 or higher. Needs bash, curl and jq.

_cronium_try() { # METHOD URL BODY_FILE CONTENT_TYPE ANSWER_FILE -> prints the status, 000 without an answer
  local method=$1 url=$2 body=$3 type=$4 answer=$5
  local arguments=(--silent --output "$answer" --write-out '%{http_code}' --noproxy '*' --max-time 30
    --request "$method" --header @-)
  [[ -n $body ]] && arguments+=(--header "Content-Type: $type" --data-binary "@$body")
  # The token goes over stdin: arguments can be seen by every process of the job.
  curl "${arguments[@]}" "$url" <<<"Authorization: Bearer ${CRONIUM_EXECUTION_TOKEN:-}"
}

_cronium_request() { # METHOD PATH [BODY_FILE] [CONTENT_TYPE] -> prints the answer's body
  local method=$1 path=$2 body=${3:-} type=${4:-application/json}
  local base=${CRONIUM_RUNTIME_API:-http://runtime-api:8081}
  local answer status attempt result
  answer=$(mktemp) || return 1
  for attempt in 1 2 3; do
    status=$(_cronium_try "$method" "$base$path" "$body" "$type" "$answer") || status=000
    [[ $status == 000 || $status -ge 500 ]] || break
    [[ $attempt == 3 ]] || sleep $((1 << (attempt - 1)))
  done
  if [[ $status == 2* ]]; then
    cat "$answer"
    result=0
  else
    printf 'cronium: %s %s: %s\n' "$method" "$path" "$(_cronium_reason "$status" "$answer")" >&2
    [[ $status == 404 ]] && result=4 || result=1
  fi
  rm -f "$answer"
  return $result
}

_cronium_reason() { # STATUS ANSWER_FILE
  if [[ $1 == 000 ]]; then
    printf 'no answer after 3 tries'
  else
    printf '%s %s' "$1" "$(jq -r '.detail // .title // empty' "$2" 2>/dev/null || head -c 300 "$2")"
  fi
}

_cronium_execution() { printf '/executions/%s' "${CRONIUM_EXECUTION_ID:?this is not a Cronium job}"; }
_cronium_encode() { jq -rn --arg text "$1" '$text | @uri'; }
# Text as it is, everything else as JSON. `--raw-output` alone would not tell a missing value from null.
_cronium_show() { jq --raw-output 'if type == "string" then . else tojson end'; }
_cronium_field() { jq --compact-output "$1" | _cronium_show; }

# Sends a body that jq makes; it reaches curl by a file, so its size is not limited by an argument's.
_cronium_send() { # METHOD PATH JSON
  local body result
  body=$(mktemp) || return 1
  printf '%s' "$3" >"$body"
  _cronium_request "$1" "$2" "$body"
  result=$?
  rm -f "$body"
  return $result
}

_cronium_value() { # [--json] VALUE -> the value as JSON
  if [[ $1 == --json ]]; then
    printf '%s' "$2" | jq --compact-output . || { printf 'cronium: not JSON: %s\n' "${2:0:100}" >&2; return 1; }
  else
    printf '%s' "$1" | jq --raw-input --slurp --compact-output .
  fi
}

# cronium_input [JQ_FILTER]: the job's input, or a part of it: cronium_input .user.name
cronium_input() {
  local answer
  answer=$(_cronium_request GET "$(_cronium_execution)/input") || return
  printf '%s' "$answer" | jq --compact-output .data | jq "${1:-.}" | _cronium_show
}

# cronium_output [--json] VALUE: sets the job's output; a JSON object or array is recognised without --json.
cronium_output() {
  local value
  if [[ ${1:-} != --json && ${1:-} == [\{\[]* ]] && printf '%s' "$1" | jq --exit-status . >/dev/null 2>&1; then
    set -- --json "$1"
  fi
  value=$(_cronium_value "$@") || return
  _cronium_send POST "$(_cronium_execution)/output" "{\"data\":$value}" >/dev/null
}

# cronium_get_variable KEY [DEFAULT]: prints the value; without a default a missing key returns 4.
cronium_get_variable() {
  local answer result
  answer=$(_cronium_request GET "$(_cronium_execution)/variables/$(_cronium_encode "$1")" 2>&1) && {
    printf '%s' "$answer" | _cronium_field .data.value
    return
  }
  result=$?
  if [[ $result == 4 && $# -gt 1 ]]; then
    printf '%s\n' "$2"
    return 0
  fi
  [[ $result == 4 ]] || printf '%s\n' "$answer" >&2
  return $result
}

# cronium_set_variable [--json] KEY VALUE
cronium_set_variable() {
  local json=() value
  [[ $1 == --json ]] && { json=(--json); shift; }
  value=$(_cronium_value "${json[@]}" "$2") || return
  _cronium_send PUT "$(_cronium_execution)/variables/$(_cronium_encode "$1")" "{\"value\":$value}" >/dev/null
}

# cronium_delete_variable KEY
cronium_delete_variable() {
  _cronium_request DELETE "$(_cronium_execution)/variables/$(_cronium_encode "$1")" >/dev/null
}

# cronium_variable_exists KEY: returns 0 when it exists, 4 when it does not.
cronium_variable_exists() {
  local answer result
  answer=$(_cronium_request GET "$(_cronium_execution)/variables/$(_cronium_encode "$1")" 2>&1) && return 0
  result=$?
  [[ $result == 4 ]] || printf '%s\n' "$answer" >&2
  return $result
}

# cronium_increment_variable KEY [BY]: adds atomically and prints the new value.
cronium_increment_variable() {
  local answer
  answer=$(_cronium_send POST "$(_cronium_execution)/variables/$(_cronium_encode "$1")/increment" "{\"by\":${2:-1}}") ||
    return
  printf '%s' "$answer" | _cronium_field .data.value
}

# cronium_append_variable KEY TEXT [SEPARATOR]: appends atomically and prints the new value.
cronium_append_variable() {
  local answer body
  body=$(jq -cn --arg text "$2" --arg separator "${3:-}" '{text: $text, separator: $separator}') || return
  answer=$(_cronium_send POST "$(_cronium_execution)/variables/$(_cronium_encode "$1")/append" "$body") || return
  printf '%s' "$answer" | _cronium_field .data.value
}

# cronium_set_condition true|false
cronium_set_condition() {
  [[ $1 == true || $1 == false ]] || { printf 'cronium: a condition is true or false, not %s\n' "$1" >&2; return 1; }
  _cronium_send POST "$(_cronium_execution)/condition" "{\"condition\":$1}" >/dev/null
}

# cronium_event: what this execution is, as JSON. cronium_event_field NAME: one field of it.
cronium_event() {
  local answer
  answer=$(_cronium_request GET "$(_cronium_execution)/context") || return
  printf '%s' "$answer" | jq --compact-output .data
}
cronium_event_field() {
  local answer
  answer=$(cronium_event) || return
  printf '%s' "$answer" | jq --arg name "$1" '.[$name]' | _cronium_show
}

# cronium_secret NAME: prints a secret that the job names.
cronium_secret() {
  local answer
  answer=$(_cronium_request GET "$(_cronium_execution)/secrets/$(_cronium_encode "$1")") || return
  printf '%s' "$answer" | _cronium_field .data.value
}

# cronium_progress PERCENT [MESSAGE]
cronium_progress() {
  local body
  body=$(jq -cn --argjson percent "$1" --arg message "${2:-}" \
    '{percent: $percent} + if $message == "" then {} else {message: $message} end') || return
  _cronium_send POST "$(_cronium_execution)/progress" "$body" >/dev/null
}

# cronium_artifact FILE [NAME]: stores a file; prints {path, bytes, sha256}.
cronium_artifact() {
  local answer path
  path=$(printf '%s' "${2:-$1}" | jq --raw-input --raw-output --slurp 'split("/") | map(@uri) | join("/")') || return
  answer=$(_cronium_request PUT "$(_cronium_execution)/artifacts/$path" "$1" application/octet-stream) || return
  printf '%s' "$answer" | jq --compact-output .data
}

# cronium_execute_tool_action TOOL ACTION CONFIG_JSON: prints what the tool answered.
cronium_execute_tool_action() {
  local answer body
  body=$(printf '%s' "${3:-"{}"}" | jq -c --arg tool "$1" --arg action "$2" \
    '{tool: $tool, action: $action, config: .}') || return
  answer=$(_cronium_send POST /tool-actions/execute "$body") || return
  printf '%s' "$answer" | jq --compact-output .data
}

# cronium_send_email CREDENTIAL TO SUBJECT TEXT
cronium_send_email() {
  cronium_execute_tool_action email send_message "$(jq -cn --arg credential "$1" --arg to "$2" --arg subject "$3" \
    --arg body "$4" '{credential: $credential, to: $to, subject: $subject, body: $body}')"
}
# cronium_send_slack_message CREDENTIAL TEXT
cronium_send_slack_message() {
  cronium_execute_tool_action slack send_message \
    "$(jq -cn --arg credential "$1" --arg text "$2" '{credential: $credential, text: $text}')"
}
# cronium_send_discord_message CREDENTIAL TEXT
cronium_send_discord_message() {
  cronium_execute_tool_action discord send_message \
    "$(jq -cn --arg credential "$1" --arg content "$2" '{credential: $credential, content: $content}')"
}

# cronium_info: ids and addresses of this execution, as JSON; never the token.
cronium_info() {
  jq -cn '{jobId: env.CRONIUM_JOB_ID, executionId: env.CRONIUM_EXECUTION_ID, jobType: env.CRONIUM_JOB_TYPE,
    executionMode: env.CRONIUM_EXECUTION_MODE, runtimeApi: env.CRONIUM_RUNTIME_API, traceparent: env.TRACEPARENT}'
}
