# Who names the version of a retracted package means it; its architecture says nothing.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: tool 1 1 x86_64
#>=Pkg: tool 2 1 x86_64
#>=Prv: retracted-patch-package()
#>=Pkg: lib 1 1 x86_64
#>=Pkg: lib 2 1 x86_64
#>=Prv: retracted-patch-package()
system x86_64 rpm system
job install text tool-2-1
job install text lib.x86_64
result transaction,problems <inline>
#>install lib-1-1.x86_64@available
#>install tool-2-1.x86_64@available
