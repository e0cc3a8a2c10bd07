# SUSE's old way to supplement two packages at once.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Pkg: b 1 1 noarch
#>=Pkg: a-b 1 1 noarch
#>=Sup: packageand(a:b)
#>=Pkg: a-c 1 1 noarch
#>=Sup: packageand(a:c)
system x86_64 rpm system
job install name a
job install name b
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
#>install a-b-1-1.noarch@available
