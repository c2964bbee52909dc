# Reads `arm-none-eabi-objdump -d` of an image and prints how deep its stack can get, in bytes: the deepest
# chain of calls from `Reset`, and on top of it every exception handler at once (each with the 32 bytes that
# the processor puts there and 4 of alignment), although most of them cannot interrupt one another.
#
# What it could not add up is an error: a call through a pointer, a frame whose size is not in the code, a
# function that calls itself. -v chain=1 prints the deepest chain too.

function fail(why) {
    print "firmware/stack.awk: " why " in " name > "/dev/stderr"
    failed = 1
    exit 1
}

function calls(target) {
    if (target != name && !((name, target) in edge)) {
        edge[name, target] = 1
        callees[name] = callees[name] " " target
        called[target] = 1
    } else if (target == name && $3 == "bl" && $4 !~ /\+/) {
        # Into its own middle `bl` is a long jump.
        fail("a function that calls itself")
    }
}

/^[0-9a-f]+ <.*>:$/ {
    name = substr($0, index($0, "<") + 1)
    name = substr(name, 1, length(name) - 2)
    frame[name] = 0
    next
}

# The linker fills gaps with this, which looks like a branch.
$2 ~ /^d4d4 *$/ { next }

$3 ~ /^push/ || ($3 ~ /^stmdb/ && $4 ~ /^sp!/) {
    sub(/^sp!, /, "", $4)
    frame[name] += 4 * gsub(/(r[0-9]+|sl|fp|ip|lr)/, "&", $4)
}

$3 ~ /^str/ && match($4, /\[sp, #-[0-9]+\]!/) { frame[name] += substr($4, RSTART + 7) }

$3 ~ /^sub/ && match($4, /^sp, (sp, )?#/) { frame[name] += substr($4, RLENGTH + 1) }

# Only these could make a frame that this does not see.
$3 ~ /^(sub|add|mov)/ && $4 ~ /^sp, / && $4 !~ /^sp, (sp, )?#/ { fail("a frame of unknown size (" $3 " " $4 ")") }
$3 ~ /^vpush/ { fail("vpush") }

$3 ~ /^blx/ && $4 ~ /^[a-z]+[0-9]*$/ { fail("a call through a pointer") }
$3 ~ /^bx/ && $4 != "lr" { fail("a jump through a pointer (" $3 " " $4 ")") }

# A branch to another function is a call, too: the last one.
$3 ~ /^(b|cbn?z)/ && match($4, /<[^>+]+/) { calls(substr($4, RSTART + 1, RLENGTH - 1)) }

function depth(of, parts, count, i, deepest, one) {
    if (of in known)
        return known[of]
    name = of
    if (!(of in frame))
        fail("a call to " of ", which is not there,")
    if (of in busy)
        fail("a function that calls itself through others")
    busy[of] = 1
    count = split(callees[of], parts, " ")
    deepest = 0
    for (i = 1; i <= count; i++) {
        one = depth(parts[i])
        if (one > deepest) {
            deepest = one
            below[of] = parts[i]
        }
    }
    delete busy[of]
    return known[of] = frame[of] + deepest
}

END {
    if (failed)
        exit 1
    total = depth("Reset")
    for (one in frame)
        if (!(one in called) && one != "Reset")
            total += depth(one) + 36
    if (chain)
        for (one = "Reset"; one != ""; one = below[one])
            print frame[one], one > "/dev/stderr"
    print total
}
