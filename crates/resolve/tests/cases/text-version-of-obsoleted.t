# Who names a version means that one.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: old 1 1 noarch
#>=Pkg: new 2 1 noarch
#>=Obs: old < 2
system x86_64 rpm system
job install text old-1
result transaction,problems <inline>
#>install old-1-1.noarch@available
