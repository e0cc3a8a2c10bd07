# Obsoleting older versions of itself means nothing here.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 2 1 noarch
#>=Obs: a < 2
#>=Pkg: a 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-2-1.noarch@available
