# A provider that supplements the base is preferred.
repo system 0 testtags <inline>
#>=Pkg: desktop 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: cc 1 1 noarch
#>=Prv: x
#>=Sup: desktop
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install cc-1-1.noarch@available
