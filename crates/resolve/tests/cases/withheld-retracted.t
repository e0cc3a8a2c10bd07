# A package of a retracted patch is left out; an older one is taken.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: tool
#>=Pkg: tool 1 1 x86_64
#>=Pkg: tool 2 1 x86_64
#>=Prv: retracted-patch-package()
system x86_64 rpm system
job blacklist provides retracted-patch-package()
job install name a
job install name tool
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install tool-1-1.x86_64@available
