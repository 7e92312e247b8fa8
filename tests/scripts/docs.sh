# SPDX-License-Identifier: Apache-2.0
# What the documents show and say, held against the program and the source:
#   blocks     a fenced block that starts with `$ hwq` or `$ build/release/hwq` is run, each `$` line
#              of it, and its output compared byte for byte; a line `...` stands for any lines, a
#              last line `exit status N` for an exit status that is not 0
#   files      a fence that ends in `file=PATH` shows that file, with `...` for any lines
#   links      files and headings that links lead to, paths and functions in `backquotes`
#   tables     docs/grammar.md has the rows that ioctl-table.awk makes of the layout table
#   options    docs/howto.md names each option of `hwq replay`
#   layers     who includes whom, as docs/architecture.md says
#   licences   an SPDX line in each source file
set -euo pipefail

cd "$HWQ_SOURCE_DIR"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin" "$scratch/blocks"
ln -s "$HWQ" "$scratch/bin/hwq"
PATH=$scratch/bin:$PATH
LC_ALL=C
export PATH LC_ALL
unset NO_COLOR

failures=0
fail()
{
	echo "FAIL $*"
	failures=$((failures + 1))
}

documents=(README.md)
for document in docs/*.md; do
	documents+=("$document")
done

# --- blocks ---

# matches EXPECTED ACTUAL: where a line `...` of EXPECTED matches any number of lines.
matches()
{
	awk '
	FNR == NR { expected[n = FNR] = $0; next }
	{ actual[m = FNR] = $0 }
	function rest(i, j)
	{
		while (i <= n && expected[i] != "...")
			if (j > m || expected[i++] != actual[j++])
				return 0
		if (i > n)
			return j == m + 1
		for (; j <= m + 1; j++)
			if (rest(i + 1, j))
				return 1
		return 0
	}
	END { exit !rest(1, 1) }
	' "$1" "$2"
}

# Writes blocks/N.command and N.expected, or N.file and N.expected; N.place says where it stands.
# Prints how many there are.
extract()
{
	awk -v directory="$scratch/blocks" '
	function open_example(kind, text)
	{
		name = directory "/" ++count
		print text > (name "." kind)
		print FILENAME ":" FNR > (name ".place")
		printf "" > (name ".expected")
		shown = 1
	}
	FNR == 1 { fenced = shown = 0 }
	/^```/ {
		fenced = !fenced
		first = fenced
		shown = 0
		if (fenced && match($0, /file=[^ ]+$/)) {
			open_example("file", substr($0, RSTART + 5))
			first = 0
		}
		next
	}
	fenced && first && !/^\$ (build\/release\/)?hwq / { first = 0; next }
	fenced && (first || runs && shown) && /^\$ / {
		first = 0
		runs = 1
		open_example("command", substr($0, 3))
		next
	}
	fenced && shown { print > (name ".expected") }
	!fenced { runs = 0 }
	END { print count + 0 }
	' "$@"
}

count=$(extract "${documents[@]}")
commands=0
files=0
for ((i = 1; i <= count; i++)); do
	block=$scratch/blocks/$i
	place=$(cat "$block.place")
	if [ -e "$block.file" ]; then
		files=$((files + 1))
		actual=$(cat "$block.file")
	else
		commands=$((commands + 1))
		actual=$block.actual
		command=$(sed 's:^build/release/hwq:hwq:' "$block.command")
		status=0
		bash -o pipefail -c "$command" >"$actual" 2>&1 </dev/null || status=$?
		if [ -s "$actual" ] && [ -n "$(tail -c 1 "$actual")" ]; then
			fail "$place: the output's last line does not end"
		fi
		[ "$status" -eq 0 ] || echo "exit status $status" >>"$actual"
	fi
	if [ ! -r "$actual" ]; then
		fail "$place: $actual: no such file"
	elif ! matches "$block.expected" "$actual"; then
		fail "$place: shown (-) is not what there is (+)"
		diff -u "$block.expected" "$actual" | tail -n +3 | cut -c 1-200 | head -n 40 || true
	fi
done
# Something must have been found, or the extraction is broken.
[ "$commands" -ge 5 ] || fail "only $commands commands found in the documents"
[ "$files" -ge 1 ] || fail "no shown file found in the documents"

# --- links ---

prose() # DOCUMENT: "line text" of what is in no fence
{
	awk '/^```/ { fenced = !fenced; next } !fenced { print FNR, $0 }' "$1"
}

anchors() # DOCUMENT: its headings as links name them
{
	prose "$1" | awk '
	$2 ~ /^#+$/ {
		sub(/^[0-9]+ #+ /, "")
		text = tolower($0)
		gsub(/[^a-z0-9 _-]/, "", text)
		gsub(/ /, "-", text)
		print text
	}'
}

links=0
for document in "${documents[@]}"; do
	while read -r line target; do
		links=$((links + 1))
		case $target in
		http://* | https://*) continue ;;
		esac
		path=${target%%#*}
		anchor=
		[ "$path" = "$target" ] || anchor=${target#*#}
		if [ -z "$path" ]; then path=$document; else path=$(dirname "$document")/$path; fi
		if [ ! -e "$path" ]; then
			fail "$document:$line: link to $target, which does not exist"
		elif [ -n "$anchor" ] && ! anchors "$path" | grep -qxF -- "$anchor"; then
			fail "$document:$line: link to $target, which has no such heading"
		fi
	done < <(prose "$document" | awk '{
		line = $1
		while (match($0, /\]\([^)]*\)/)) {
			print line, substr($0, RSTART + 2, RLENGTH - 3)
			$0 = substr($0, RSTART + RLENGTH)
		}
	}')
	while read -r line text; do
		case $text in
		models/) ;; # a layer that is to come
		*'()')
			grep -rqwF --include='*.[chS]' -- "${text%'()'}" emu kernel_shim tools tests ||
				fail "$document:$line: $text is in no source file"
			;;
		*) [ -e "$text" ] || fail "$document:$line: $text does not exist" ;;
		esac
	done < <(prose "$document" | awk '{
		line = $1
		while (match($0, /`[^`]*`/)) {
			text = substr($0, RSTART + 1, RLENGTH - 2)
			$0 = substr($0, RSTART + RLENGTH)
			if (text ~ /^[a-z_][a-z0-9_]*\(\)$/ ||
			    text ~ /^(emu|kernel_shim|models|tools|tests|traces|docs|\.ci)\/[A-Za-z0-9_.\/-]*$/)
				print line, text
		}
	}')
done
[ "$links" -ge 5 ] || fail "only $links links found in the documents"

# --- tables and options ---

rows=0
while IFS= read -r row; do
	[ -n "$row" ] || continue
	rows=$((rows + 1))
	grep -qxF -- "$row" docs/grammar.md || fail "docs/grammar.md: no row: $row"
done < <(awk -f tests/docs/ioctl-table.awk kernel_shim/uapi/layout.c)
[ "$rows" -ge 50 ] || fail "ioctl-table.awk found only $rows rows in the layout table"

options=0
while read -r option; do
	options=$((options + 1))
	grep -qF -- "\`$option" docs/howto.md || fail "docs/howto.md: $option is not named"
done < <(hwq replay --help | grep -oE -- '--[a-z-]+' | grep -vx -e --help | sort -u)
[ "$options" -ge 5 ] || fail "only $options options found in the help of hwq replay"

# --- layers ---

layer_rules()
{
	# FILES (a pattern of their paths), what they may include; the first row that fits counts.
	cat <<-'EOF'
	^emu/trace/                   ^emu/trace/
	^emu/                         ^emu/
	^models/                      ^(emu|models)/
	^kernel_shim/uapi/            ^kernel_shim/uapi/
	^kernel_shim/drivers/         ^(emu|kernel_shim|models)/
	^kernel_shim/selftest\.c$     ^(emu|kernel_shim)/
	^kernel_shim/                 ^(emu/|kernel_shim/uapi/|kernel_shim/[^/]*$)
	^tools/runner/                ^(emu|kernel_shim|models|tools/runner)/
	^tools/                       ^(emu|kernel_shim|models|tools)/
	EOF
}

folders=()
for folder in emu kernel_shim models tools; do
	[ ! -d "$folder" ] || folders+=("$folder")
done
includes=$(grep -rnE --include='*.[chS]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' \
	"${folders[@]}")
[ -n "$includes" ] || fail "no includes found"
bad=$({ layer_rules; echo; echo "$includes"; } | awk '
	!rules_done && NF == 0 { rules_done = 1; next }
	!rules_done { pattern[++n] = $1; allowed[n] = $2; next }
	{
		split($0, place, ":")
		split($0, parts, "\"")
		for (i = 1; i <= n && place[1] !~ pattern[i]; i++)
			continue
		if (i > n || parts[2] !~ allowed[i])
			printf "%s:%s includes %s; ", place[1], place[2], parts[2]
	}')
[ -z "$bad" ] || fail "layers: $bad"
# State that is saved and restored lies in the arena; GLib's does not.
if grep -rnE '#[[:space:]]*include[[:space:]]*<(glib|gio|json-glib)' emu kernel_shim; then
	fail "layers: GLib below tools/"
fi

# --- licences ---

sources=0
while IFS= read -r source; do
	sources=$((sources + 1))
	head -n 3 "$source" | grep -q 'SPDX-License-Identifier: Apache-2\.0' ||
		fail "$source: no SPDX line"
done < <(find . \( -name .git -o -name 'build*' -o -path "${HWQ_BUILD_DIR:-/nonexistent}" \) -prune \
	-o -type f \( -name '*.[chS]' -o -name '*.sh' -o -name '*.awk' -o -name '*.cmake' \
	-o -name CMakeLists.txt -o -path './.ci/*' \) -print)
[ "$sources" -ge 20 ] || fail "only $sources source files found"

echo "$commands commands, $files shown files, $links links, $rows table rows, $options options," \
	"$(wc -l <<<"$includes") includes, $sources licences: $failures failures"
[ "$failures" -eq 0 ]
