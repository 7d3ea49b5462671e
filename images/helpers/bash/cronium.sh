#!/usr/bin/env bash
# Cronium's helpers for Bash. Use them by: source cronium.sh   (or: . /usr/local/bin/cronium.sh)
#
#   name=$(cronium_input .name)
#   cronium_set_variable "greeted/$name" yes
#   cronium_output "{\"greeting\":\"hello $name\"}"
#
# Values are text unless --json is given: `cronium_set_variable n 5` stores the text "5", `cronium_set_variable --json n 5`
# stores the number. What is read prints as it is when it is text, and as JSON otherwise; with --json always as JSON. A
# value `-` is read from stdin.
#
# Every function prints its answer on stdout, explains a failure on stderr, and then returns non-zero: 4 when what was
# asked for does not exist, 1 otherwise. Calls are tried 3 times, 1 s and 2 s apart, when the connection fails, the
# answer takes too long, or its status is 500 or higher. Needs bash 4.4, curl, jq and coreutils.

# -- Calls --
_cronium_fail() { # MESSAGE [STATUS]
  printf 'cronium: %s\n' "$1" >&2
  return "${2:-1}"
}

# One try. Bodies and the token go through pipes: arguments are bounded in length, and all processes can see them.
_cronium_try() { # METHOD URL BODY [FILE] -> the answer's body, and right behind it the status in three digits
  local method=$1 url=$2 body=$3 file=${4:-}
  local arguments=(--silent --noproxy '*' --path-as-is --connect-timeout 5 --max-time 30 --write-out '%{http_code}'
    --request "$method" --header "Idempotency-Key: $_cronium_key" --header 'Expect:')
  if [[ -n $file ]]; then
    arguments+=(--max-time 300 --header 'Content-Type: application/octet-stream' --upload-file "$file")
  elif [[ -n $body ]]; then
    arguments+=(--header 'Content-Type: application/json' --data-binary @-)
  fi
  printf '%s' "$body" 2>/dev/null |
    curl --config <(printf 'header = "Authorization: Bearer %s"\n' "${CRONIUM_EXECUTION_TOKEN:-}") \
      "${arguments[@]}" "$url"
}

_cronium_call() { # METHOD PATH [BODY] [FILE] -> the answer's body
  local method=$1 path=$2 url=${CRONIUM_RUNTIME_API:-http://runtime-api:8081}$2
  local answer='' status='' try error _cronium_key
  # The same in all tries, so that what must not happen twice can be told apart.
  _cronium_key=$(</proc/sys/kernel/random/uuid)
  for try in 1 2 3; do
    error=0
    answer=$(_cronium_try "$method" "$url" "${3:-}" "${4:-}") || error=$?
    status=${answer: -3}
    answer=${answer:0:${#answer}-${#status}}
    if [[ $error == 0 && $status == 2* ]]; then
      printf '%s' "$answer"
      return 0
    fi
    [[ $error == 0 && $status -lt 500 ]] && break
    [[ $try == 3 ]] || sleep "$try"
  done
  if [[ $error != 0 ]]; then
    _cronium_fail "$method $path: no answer after 3 tries: $(_cronium_curl_error "$error")" || return
  fi
  [[ $status == 404 && -n ${_cronium_may_miss:-} ]] && return 4
  _cronium_fail "$method $path: $status $(_cronium_reason "$answer")" $((status == 404 ? 4 : 1))
}

_cronium_curl_error() { # EXIT_STATUS
  case $1 in
    6) printf 'the name does not resolve' ;;
    7) printf 'the connection was refused' ;;
    26) printf 'the file cannot be read' ;;
    28) printf 'it took too long' ;;
    *) printf 'curl failed with %s' "$1" ;;
  esac
}

_cronium_reason() { # BODY -> what a problem document says
  printf '%s' "$1" | jq -r '[.detail // .title // empty, (.errors // [] | .[] | "\(.path): \(.message)")] | join(" ")' \
    2>/dev/null || printf '%s' "${1:0:300}"
}

# -- JSON --
_cronium_text() { printf '%s' "$1" | jq -Rs .; } # TEXT -> a JSON string
_cronium_encode() { printf '%s' "$1" | jq -Rrs @uri; }

_cronium_value() { # text|json VALUE -> JSON
  local value=$2
  if [[ $value == - ]]; then
    # The x keeps line feeds at the end, which $(…) would drop.
    value=$(cat; printf x)
    value=${value%x}
  fi
  if [[ $1 == text ]]; then
    _cronium_text "$value"
  elif printf '%s' "$value" | jq -es 'length == 1' >/dev/null 2>&1; then
    # As it was given: jq would round long numbers.
    printf '%s' "$value"
  else
    _cronium_fail "this is not one JSON value: ${value:0:100}"
  fi
}

_cronium_show() { # text|json [FILTER]: prints a part of the JSON on stdin; nothing when there is none
  jq -r --arg form "$1" "(${2:-.}) | if type == \"string\" and \$form == \"text\" then . else tojson end"
}

_cronium_execution() {
  [[ -n ${CRONIUM_EXECUTION_ID:-} ]] ||
    _cronium_fail 'this is not a Cronium job: CRONIUM_EXECUTION_ID is not set' || return
  printf '/executions/%s' "$CRONIUM_EXECUTION_ID"
}

_cronium_variable() { # KEY -> its path
  local path
  case $1 in '' | . | ..) _cronium_fail "a variable's key is not empty, \".\" or \"..\"" || return ;; esac
  path=$(_cronium_execution) || return
  printf '%s/variables/%s' "$path" "$(_cronium_encode "$1")"
}

_cronium_get() { # PATH text|json [FILTER]: prints a part of what the runtime API has there
  local answer
  answer=$(_cronium_call GET "$1") || return
  printf '%s' "$answer" | _cronium_show "$2" "${3:-.data}"
}

# -- Input and output --
# cronium_input [--json] [JQ_FILTER]: the job's input, or a part of it: cronium_input .user.name
cronium_input() {
  local as=text path
  [[ ${1:-} == --json ]] && { as=json; shift; }
  path=$(_cronium_execution) || return
  _cronium_get "$path/input" "$as" ".data | (${1:-.})"
}

# cronium_output [--json|--text] VALUE: sets the job's output. Without an option, a JSON object or array is recognised.
cronium_output() {
  local as=auto value path
  case ${1:-} in --json | --text) as=${1#--}; shift ;; esac
  [[ $# == 1 ]] || _cronium_fail 'usage: cronium_output [--json|--text] VALUE' || return
  if [[ $as == auto ]]; then
    as=text
    [[ $1 =~ ^[[:space:]]*[\{\[] ]] && printf '%s' "$1" | jq -es 'length == 1' >/dev/null 2>&1 && as=json
  fi
  value=$(_cronium_value "$as" "$1") && path=$(_cronium_execution) || return
  _cronium_call POST "$path/output" "{\"data\":$value}" >/dev/null
}

# cronium_set_condition true|false: what flows branch on.
cronium_set_condition() {
  local path
  [[ ${1:-} == true || ${1:-} == false ]] || _cronium_fail 'usage: cronium_set_condition true|false' || return
  path=$(_cronium_execution) || return
  _cronium_call POST "$path/condition" "{\"condition\":$1}" >/dev/null
}

# cronium_progress PERCENT [MESSAGE]: how far the job is, 0 to 100; an empty PERCENT gives only the message.
cronium_progress() {
  local path body
  body=$(jq -cn --arg percent "${1:-}" --arg message "${2:-}" '
    (if $percent == "" then {} else {percent: ($percent | tonumber)} end)
    + (if $message == "" then {} else {message: $message} end)' 2>/dev/null) ||
    _cronium_fail "this is not a number: ${1:0:100}" || return
  path=$(_cronium_execution) || return
  _cronium_call POST "$path/progress" "$body" >/dev/null
}

# cronium_artifact FILE [NAME]: stores a file; prints {path, bytes, sha256}. The name of FILE is its path, without the
# folders when the path is absolute.
cronium_artifact() {
  local name=${2:-${1#./}} path answer
  [[ -f ${1:-} && -r $1 ]] || _cronium_fail "there is no file ${1:-} that can be read" || return
  [[ -n ${2:-} || $name != /* ]] || name=${name##*/}
  path=$(_cronium_execution) || return
  name=$(printf '%s' "$name" | jq -Rrs 'split("/") | map(@uri) | join("/")')
  answer=$(_cronium_call PUT "$path/artifacts/$name" '' "$1") || return
  printf '%s' "$answer" | _cronium_show json .data
}

# -- Variables --
# cronium_get_variable [--json|--version] KEY [DEFAULT]: prints the value, or the version for cronium_set_variable
# --if-version. For a missing variable it prints DEFAULT, or nothing, and succeeds; see cronium_variable_exists. A key
# that begins with -- stands behind a `--`.
cronium_get_variable() {
  local as=text part=.data.value path value status=0 _cronium_may_miss=yes
  case ${1:-} in
    --json) as=json; shift ;;
    --version) part=.data.version; shift ;;
  esac
  [[ ${1:-} == -- ]] && shift
  path=$(_cronium_variable "${1:-}") || return
  value=$(_cronium_get "$path" "$as" "$part") || status=$?
  if [[ $status == 0 ]]; then
    printf '%s\n' "$value"
  elif [[ $status == 4 ]]; then
    [[ $# -lt 2 ]] || printf '%s\n' "$2"
  else
    return "$status"
  fi
}

# cronium_set_variable [--json] [--if-version VERSION] KEY VALUE: with a version, fails when it is at another one.
cronium_set_variable() {
  local as=text version='' path value
  while [[ ${1:-} == --* ]]; do
    case $1 in
      --json) as=json ;;
      --if-version) version=",\"ifVersion\":${2:-}"; shift ;;
      --) shift; break ;;
      *) break ;;
    esac
    shift
  done
  [[ $# == 2 ]] || _cronium_fail 'usage: cronium_set_variable [--json] [--if-version VERSION] KEY VALUE' || return
  path=$(_cronium_variable "$1") && value=$(_cronium_value "$as" "$2") || return
  _cronium_call PUT "$path" "{\"value\":$value$version}" >/dev/null
}

# cronium_delete_variable KEY: succeeds also when there is none.
cronium_delete_variable() {
  local path _cronium_may_miss=yes
  path=$(_cronium_variable "${1:-}") || return
  _cronium_call DELETE "$path" >/dev/null || [[ $? == 4 ]]
}

# cronium_variable_exists KEY: returns 0 when it exists, 4 when it does not.
cronium_variable_exists() {
  local path _cronium_may_miss=yes
  path=$(_cronium_variable "${1:-}") || return
  _cronium_call GET "$path" >/dev/null
}

# cronium_increment_variable KEY [BY]: adds atomically and prints the new value.
cronium_increment_variable() {
  local path answer
  path=$(_cronium_variable "${1:-}")/increment || return
  answer=$(_cronium_call POST "$path" "{\"by\":${2:-1}}") || return
  printf '%s' "$answer" | _cronium_show text .data.value
}

# cronium_append_variable KEY TEXT [SEPARATOR]: appends atomically and prints the new value.
cronium_append_variable() {
  local path answer
  path=$(_cronium_variable "${1:-}")/append || return
  answer=$(_cronium_call POST "$path" "{\"text\":$(_cronium_text "${2:-}"),\"separator\":$(_cronium_text "${3:-}")}") ||
    return
  printf '%s' "$answer" | _cronium_show text .data.value
}

# -- About this execution --
# cronium_event: what this execution is, as JSON: ids, name, type, labels, start.
cronium_event() {
  local path
  path=$(_cronium_execution) || return
  _cronium_get "$path/context" json
}

# cronium_event_field NAME: one field of it; prints nothing for one that there is not.
cronium_event_field() {
  local event
  event=$(cronium_event) || return
  printf '%s' "$event" | NAME=${1:-} _cronium_show text '.[env.NAME] | values'
}

# cronium_secret NAME: prints a secret that the job names.
cronium_secret() {
  local path
  path=$(_cronium_execution) || return
  _cronium_get "$path/secrets/$(_cronium_encode "${1:-}")" text .data.value
}

# cronium_info: ids and addresses of this execution, as JSON; never the token.
cronium_info() {
  jq -cn '{jobId: env.CRONIUM_JOB_ID, executionId: env.CRONIUM_EXECUTION_ID, jobType: env.CRONIUM_JOB_TYPE,
    executionMode: env.CRONIUM_EXECUTION_MODE, runtimeApi: env.CRONIUM_RUNTIME_API, traceparent: env.TRACEPARENT}'
}

# -- Tools --
# cronium_execute_tool_action TOOL ACTION [CONFIG_JSON]: prints what the tool answered, as JSON.
cronium_execute_tool_action() {
  local config answer
  config=$(_cronium_value json "${3:-"{}"}") || return
  answer=$(_cronium_call POST /tool-actions/execute \
    "{\"tool\":$(_cronium_text "${1:-}"),\"action\":$(_cronium_text "${2:-}"),\"config\":$config}") || return
  printf '%s' "$answer" | _cronium_show json .data
}

# The messages' CREDENTIAL is the name of a stored one; without it, the one that is called like the tool is used.
_cronium_message() { # TOOL CREDENTIAL NAME VALUE [NAME VALUE]...
  local tool=$1 config='' credential=$2
  shift 2
  [[ -z $credential ]] || set -- credential "$credential" "$@"
  while [[ $# -gt 1 ]]; do
    config+=${config:+,}$(_cronium_text "$1"):$(_cronium_text "$2")
    shift 2
  done
  cronium_execute_tool_action "$tool" send-message "{$config}"
}

# cronium_send_email TO SUBJECT TEXT [CREDENTIAL]
cronium_send_email() { _cronium_message email "${4:-}" to "${1:-}" subject "${2:-}" text "${3:-}"; }
# cronium_send_slack_message TEXT [CREDENTIAL]
cronium_send_slack_message() { _cronium_message slack "${2:-}" text "${1:-}"; }
# cronium_send_discord_message TEXT [CREDENTIAL]
cronium_send_discord_message() { _cronium_message discord "${2:-}" content "${1:-}"; }
