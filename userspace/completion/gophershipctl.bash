# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion of gophershipctl for bash. Commands and options are those that its --help tells
# of, so that they are those of the program that is there.

# TOOL [COMMAND]: what --help has, each option on a line
_gophershipctl_help()
{
	ARGP_HELP_FMT=rmargin=500 "$1" "${@:2}" --help 2>/dev/null
}

_gophershipctl_commands()
{
	_gophershipctl_help "$1" | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'
}

# TOOL [COMMAND]: "-b", "--buffers=" and so on; a short one before its long ones
_gophershipctl_options()
{
	_gophershipctl_help "$@" | sed -n 's/^  *\(-[^ ,]*\(, -[^ ,]*\)*\)\(  .*\)\{0,1\}$/\1/p' |
		sed -e 's/=[^ ,]*/=/g' -e 's/, /\n/g'
}

# OPTION TOOL [COMMAND]: does it want a value? A short one does where its long one does.
_gophershipctl_wants_value()
{
	_gophershipctl_help "${@:2}" |
		grep -qE -e "^ *(-., )?(--[a-z-]+, )*$1=" -e "^ *$1, (--[a-z-]+, )*--[a-z-]+="
}

# Names of the nodes of drivers, as "records" and others take them.
_gophershipctl_endpoints()
{
	local node
	for node in /dev/gophership-*; do
		[[ ! -e $node ]] || echo "${node#/dev/gophership-}"
	done
}

# COMMAND OPTION: values of an option
_gophershipctl_values()
{
	case $1:$2 in
	*:-D | *:--device | leaks:-t | leaks:--table) compgen -f -- "$current" ;;
	ship:-e | ship:--engine) compgen -W 'auto uring threads' -- "$current" ;;
	records:--order) compgen -W 'time arrival' -- "$current" ;;
	top:-s | top:--sort) compgen -W 'pool acquires hits misses leased bytes cached waiters' -- "$current" ;;
	esac
}

# TOOL COMMAND NUMBER: values of an argument, the first of which is 0
_gophershipctl_arguments()
{
	case $2:$3 in
	help:0) compgen -W "$(_gophershipctl_commands "$1")" -- "$current" ;;
	receive:0 | send:1 | follow:0)
		compgen -W "$(_gophershipctl_endpoints)" -- "$current"
		compgen -f -- "$current"
		;;
	ship:[01] | send:0 | receive:1 | records:0) compgen -f -- "$current" ;;
	esac
}

_gophershipctl()
{
	local tool=$1 current=${COMP_WORDS[COMP_CWORD]} command='' arguments=0 option='' kind i word
	[[ $current != = ]] || current=
	# An option that waits for its value, "=" or not, is in $option.
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == = ]]; then
			continue
		elif [[ $option ]]; then
			option=
		elif [[ $word == -?* ]]; then
			# shellcheck disable=SC2086 # a word or none
			if _gophershipctl_wants_value "$word" "$tool" $command; then
				option=$word
			fi
			[[ $word != --follow && $word != -f ]] || kind=follow
		elif [[ ! $command ]]; then
			command=$word
		else
			arguments=$((arguments + 1))
		fi
	done
	if [[ $option ]]; then
		mapfile -t COMPREPLY < <(_gophershipctl_values "$command" "$option")
	elif [[ $current == -* ]]; then
		# shellcheck disable=SC2086 # a word or none
		mapfile -t COMPREPLY < <(compgen -W "$(_gophershipctl_options "$tool" $command)" -- "$current")
		[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace 2>/dev/null
	elif [[ ! $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_gophershipctl_commands "$tool")" -- "$current")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(_gophershipctl_arguments "$tool" "${kind:-$command}" "$arguments")
	fi
}

complete -F _gophershipctl gophershipctl
