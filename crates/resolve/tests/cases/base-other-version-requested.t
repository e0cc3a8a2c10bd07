# Another version of a package of the base cannot be requested.
repo system 0 testtags <inline>
#>=Pkg: a 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 2 1 noarch
system x86_64 rpm system
job install pkg a-2-1.noarch@available
result transaction,problems <inline>
#>problem info cannot install both a-2-1.noarch and a-1-1.noarch from the base
