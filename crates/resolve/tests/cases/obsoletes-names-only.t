# Obsoletes do not look at what packages provide.
repo system 0 testtags <inline>
#>=Pkg: other 1 1 noarch
#>=Prv: old = 1
repo available 0 testtags <inline>
#>=Pkg: new 1 1 noarch
#>=Obs: old
system x86_64 rpm system
job install name new
result transaction,problems <inline>
#>install new-1-1.noarch@available
