# A requirement that only a newer package of the base could satisfy is a problem.
repo system 0 testtags <inline>
#>=Pkg: z 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: z >= 2
#>=Pkg: z 2 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package a-1-1.noarch requires z >= 2, but none of the providers can be installed
#>problem info cannot install both z-2-1.noarch and z-1-1.noarch from the base
