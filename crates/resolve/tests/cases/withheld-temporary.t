# A temporary fix is not a candidate, nor is what it is made of.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: lib
#>=Pkg: lib 1 1 x86_64
#>=Pkg: lib 1 2.ptf x86_64
#>=Prv: ptf-package()
#>=Pkg: ptf-7 1 1 x86_64
#>=Prv: ptf()
#>=Prv: lib
#>=Req: lib = 1-2.ptf
system x86_64 rpm system
job blacklist provides ptf-package()
job blacklist provides ptf()
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install lib-1-1.x86_64@available
