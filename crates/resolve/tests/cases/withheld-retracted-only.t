# Only a package of a retracted patch would do.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: tool
#>=Pkg: tool 2 1 x86_64
#>=Prv: retracted-patch-package()
system x86_64 rpm system
job blacklist provides retracted-patch-package()
job install name a
result transaction,problems <inline>
#>problem info package a-1-1.noarch requires tool, but none of the providers can be installed
#>problem info package tool-2-1.x86_64 was retracted and can only be installed by a direct request
