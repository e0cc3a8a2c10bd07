# The base has what took the package's place.
repo system 0 testtags <inline>
#>=Pkg: new 2 1 noarch
#>=Obs: old < 2
repo available 0 testtags <inline>
#>=Pkg: old 1 1 noarch
system x86_64 rpm system
job install text old
result transaction,problems <inline>
#>already old
