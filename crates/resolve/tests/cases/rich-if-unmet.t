# A condition that is fulfilled and cannot be met.
repo system 0 testtags <inline>
#>=Pkg: c 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (b if c)
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info nothing provides (b if c) needed by a-1-1.noarch
