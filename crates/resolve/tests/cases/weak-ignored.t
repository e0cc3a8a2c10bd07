# Recommended packages are not added if weak dependencies are ignored.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: b
#>=Pkg: b 1 1 noarch
system x86_64 rpm system
solverflags ignorerecommended
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
