# 32-bit packages are no candidates by default.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: libx.so.1
#>=Pkg: x 1 1 i686
#>=Prv: libx.so.1
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package x-1-1.i686 does not have a compatible architecture
#>problem info package a-1-1.noarch requires libx.so.1, but none of the providers can be installed
