# A name alone also means what has taken the place of a package of that name.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: old 1 1 noarch
#>=Pkg: new 2 1 noarch
#>=Obs: old < 2
#>=Pkg: unrelated 2 1 noarch
#>=Obs: old < 1
system x86_64 rpm system
job install text old
result transaction,problems <inline>
#>install new-2-1.noarch@available
