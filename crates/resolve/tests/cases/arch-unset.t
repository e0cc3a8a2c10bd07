# Without an architecture of the system every package is a candidate.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 riscv64
system unset rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.riscv64@available
