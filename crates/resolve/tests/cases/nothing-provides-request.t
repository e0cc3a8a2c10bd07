# The words for a request that names nothing.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
system x86_64 rpm system
job install name b
job install provides c > 1
result transaction,problems <inline>
#>problem info nothing provides requested b
#>problem info nothing provides requested c > 1
