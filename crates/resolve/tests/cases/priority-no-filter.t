# A repository of lower priority is used if the higher one will not do.
repo system 0 testtags <inline>
repo low 1 testtags <inline>
#>=Pkg: a 2 1 noarch
repo high 9 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Pkg: b 1 1 noarch
#>=Req: a >= 2
system x86_64 rpm system
job install name b
result transaction,problems <inline>
#>install b-1-1.noarch@high
#>install a-2-1.noarch@low
