# The words for a package of another architecture.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 aarch64
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package a-1-1.aarch64 does not have a compatible architecture
