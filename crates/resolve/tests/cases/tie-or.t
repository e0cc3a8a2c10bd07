# The parts of an or are equals: the first name decides.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (zz or b)
#>=Pkg: b 1 1 noarch
#>=Pkg: zz 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
