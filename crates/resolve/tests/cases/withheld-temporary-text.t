# Who names a temporary fix gets it, with what it is made of.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: lib 1 1 x86_64
#>=Pkg: lib 1 2.ptf x86_64
#>=Prv: ptf-package()
#>=Pkg: ptf-7 1 1 x86_64
#>=Prv: ptf()
#>=Req: lib = 1-2.ptf
system x86_64 rpm system
job install text ptf-7
result transaction,problems <inline>
#>install lib-1-2.ptf.x86_64@available
#>install ptf-7-1-1.x86_64@available
