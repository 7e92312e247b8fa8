# SPDX-License-Identifier: Apache-2.0
# awk -f tests/docs/ioctl-table.awk kernel_shim/uapi/layout.c
# Prints the ioctl and test operation tables of docs/grammar.md.

function trim(text)
{
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

# One field of a list: its name as traces write it, and a mark for its kind.
function add_field(list, name, kind)
{
	if (kind == "RESERVED")
		name = "(" name ")"
	else if (kind == "DATA")
		name = name "*"
	fields[list] = fields[list] (fields[list] == "" ? "" : " ") name
}

function take_fields(list, body,    call, parts)
{
	fields[list] = ""
	while (match(body, /(TEST_FIELD|FIELD|NAMED)\([^)]*\)/)) {
		call = substr(body, RSTART, RLENGTH)
		body = substr(body, RSTART + RLENGTH)
		split(substr(call, index(call, "(") + 1, length(call) - index(call, "(") - 1), parts, ",")
		if (call ~ /^TEST_FIELD/)
			add_field(list, trim(parts[1]), trim(parts[2]))
		else if (call ~ /^FIELD/)
			add_field(list, trim(parts[2]), trim(parts[3]))
		else {
			gsub(/"/, "", parts[1])
			add_field(list, trim(parts[1]), trim(parts[4]))
		}
	}
}

/^#/ { next }
{ text = text " " $0 }

END {
	gsub(/[ \t]+/, " ", text)
	count = split(text, statements, ";")
	for (i = 1; i <= count; i++) {
		statement = statements[i]
		if (match(statement, /struct field_layout [a-z0-9_]+\[\]/)) {
			list = substr(statement, RSTART + 20, RLENGTH - 22)
			take_fields(list, statement)
		} else if (statement ~ /struct (ioctl|test_op)_layout [a-z_]+\[\] = /) {
			is_test = statement ~ /struct test_op_layout/
			print is_test ? "| `op` | fields |" : "| ioctl | section | size at least | fields |"
			print is_test ? "|---|---|" : "|---|---|---|---|"
			sub(/^[^{]*\{/, "", statement)
			while (match(statement, /\{[^}]*\}/)) {
				row = substr(statement, RSTART + 1, RLENGTH - 2)
				statement = substr(statement, RSTART + RLENGTH)
				n = split(row, parts, ",")
				gsub(/"/, "", parts[1])
				list = trim(parts[n])
				shown = list in fields ? "`" fields[list] "`" : "a number"
				if (list == "test_ops" || list == "")
					continue
				if (is_test) {
					printf "| `%s` | %s |\n", trim(parts[1]), shown
					continue
				}
				gsub(/"/, "", parts[2])
				min = trim(parts[5])
				printf "| `%s` | %s | %s | %s |\n", trim(parts[1]), trim(parts[2]),
					min == "0" ? "-" : min, shown
			}
			print ""
		}
	}
}
