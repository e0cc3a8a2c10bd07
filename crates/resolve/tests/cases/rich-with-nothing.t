# Two packages do not satisfy a with.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (x with y)
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: c 1 1 noarch
#>=Prv: y
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info nothing provides (x with y) needed by a-1-1.noarch
